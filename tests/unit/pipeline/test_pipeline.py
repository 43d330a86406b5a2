"""One model on one sensor, with a fake engine and a clock that is set."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import MS, SECOND, Clock, FakeEngine, block, card

from sensorml.errors import DelegateError
from sensorml.pipeline.features import log_spectrum, raw
from sensorml.pipeline.model_card import Baseline, Output
from sensorml.pipeline.pipeline import FROZEN, Pipeline
from sensorml.types import Block, Prediction, State


def run(pipeline: Pipeline, *blocks: Block) -> list[Prediction]:
    return [p for each in blocks for p in pipeline.step(each)]


def cut(values: list[float], size: int, **kwargs: object) -> list[Block]:
    """Cut values at 1 kHz into blocks of a size."""
    return [
        block(values[i : i + size], start_ns=i * MS, **kwargs)
        for i in range(0, len(values), size)
    ]


def judged(predictions: list[Prediction]) -> list[tuple[object, ...]]:
    """Return the fields that do not depend on the speed of the machine."""
    timed = {"delay_ns", "features_ns", "quantise_ns", "invoke_ns", "decide_ns"}
    return [
        tuple(repr(v) for name, v in p._asdict().items() if name not in timed)
        for p in predictions
    ]


class TestWindows:
    def test_every_window_is_judged_once_with_its_number_and_its_times(self) -> None:
        predictions = run(
            Pipeline(card(), FakeEngine()), *cut([0, 0, 0, 0, 5, 0, 0, 0], 3)
        )
        assert [p.window for p in predictions] == [0, 1, 2]
        assert [p.start_ns for p in predictions] == [0, 2 * MS, 4 * MS]
        assert [p.end_ns for p in predictions] == [3 * MS, 5 * MS, 7 * MS]
        assert [p.score for p in predictions] == [0, 5, 5]
        assert [p.state for p in predictions] == [
            State.NORMAL,
            State.ANOMALY,
            State.ANOMALY,
        ]
        assert {p.threshold for p in predictions} == {1.0}
        assert {p.reason for p in predictions} == {""}

    def test_the_engine_is_not_called_for_a_block_that_completes_no_window(
        self,
    ) -> None:
        engine = FakeEngine()
        assert Pipeline(card(), engine).step(block([0, 0, 0])) == ()
        assert engine.windows == 0

    def test_all_windows_of_a_block_are_one_call_of_the_engine(self) -> None:
        engine = FakeEngine()
        run(Pipeline(card(), engine), block(range(100)))
        assert [len(each) for each in engine.inputs] == [49]

    @given(
        st.lists(st.floats(-2, 2, width=32), min_size=4, max_size=60),
        st.integers(1, 60),
        st.sampled_from([raw.Features(), log_spectrum.Features(bands=2)]),
    )
    def test_the_predictions_do_not_depend_on_the_blocks(self, values, size, spec):
        wants = card(features=spec, min_quality=0.9, frozen_rows=3)
        whole = run(Pipeline(wants, FakeEngine()), *cut(values, len(values)))
        in_blocks = run(Pipeline(wants, FakeEngine()), *cut(values, size))
        if isinstance(spec, raw.Features):
            assert judged(in_blocks) == judged(whole)
        for a, b in zip(in_blocks, whole, strict=True):
            assert (a.window, a.state is State.UNKNOWN) == (
                b.window,
                b.state is State.UNKNOWN,
            )
            assert a.score == pytest.approx(b.score, rel=1e-4, abs=1e-4, nan_ok=True)

    def test_a_failing_engine_is_not_hidden(self) -> None:
        engine = FakeEngine()
        engine.failing = True
        with pytest.raises(DelegateError, match="fails on demand"):
            Pipeline(card(), engine).step(block([0] * 4))


class TestWithheld:
    """Windows that are not shown to the model."""

    def only(self, pipeline: Pipeline, *blocks: Block) -> Prediction:
        [prediction] = run(pipeline, *blocks)
        return prediction

    def test_a_window_with_a_gap_is_unknown_and_the_reason_has_the_share(self) -> None:
        engine = FakeEngine()
        prediction = self.only(
            Pipeline(card(), engine), block([0, 0]), block([9, 9], missed=4)
        )
        assert prediction.state is State.UNKNOWN
        assert prediction.reason == "only 50.0% of the samples are there"
        assert prediction.quality == 0.5
        assert math.isnan(prediction.score)
        assert engine.windows == 0

    def test_the_card_sets_how_large_a_gap_may_be(self) -> None:
        blocks = block([0, 0]), block([0, 0], missed=4)
        prediction = self.only(Pipeline(card(min_quality=0.5), FakeEngine()), *blocks)
        assert (prediction.state, prediction.quality) == (State.NORMAL, 0.5)

    def test_a_frozen_sensor_is_unknown(self) -> None:
        engine = FakeEngine()
        prediction = self.only(
            Pipeline(card(frozen_rows=3), engine), block([1, 5, 5, 5])
        )
        assert (prediction.state, prediction.reason) == (State.UNKNOWN, FROZEN)
        assert engine.windows == 0

    def test_a_channel_without_values_is_unknown_and_named(self) -> None:
        engine = FakeEngine()
        wants = card(channels=2)
        rows = [[20.0, math.nan]] * 4
        prediction = self.only(Pipeline(wants, engine), block(rows))
        assert prediction.state is State.UNKNOWN
        assert prediction.reason == (
            "the sensor has no value for y, which the model needs"
        )
        assert engine.windows == 0

    @pytest.mark.parametrize("rate_hz", [940.0, 1060.0])
    def test_a_sensor_off_its_rate_is_unknown(self, rate_hz: float) -> None:
        engine = FakeEngine()
        prediction = self.only(
            Pipeline(card(), engine), block([0] * 4, rate_hz=rate_hz)
        )
        assert prediction.state is State.UNKNOWN
        assert prediction.reason == (
            f"the sensor runs at {rate_hz:g} Hz, the model takes 1000 ± 5%"
        )
        assert engine.windows == 0

    @pytest.mark.parametrize("rate_hz", [951.0, 1049.0])
    def test_a_rate_within_the_tolerance_is_accepted(self, rate_hz) -> None:
        prediction = self.only(
            Pipeline(card(), FakeEngine()), block([0] * 4, rate_hz=rate_hz)
        )
        assert prediction.state is State.NORMAL

    def test_the_windows_beside_a_gap_are_judged_and_in_order(self) -> None:
        engine = FakeEngine()
        pipeline = Pipeline(card(hop=4), engine)
        predictions = run(
            pipeline,
            block([2] * 4 + [0, 0]),
            block([0, 0, 3, 0, 0, 0], missed=1),
        )
        assert [p.state for p in predictions] == [
            State.ANOMALY,
            State.UNKNOWN,
            State.ANOMALY,
        ]
        assert [p.score for p in predictions[::2]] == [2, 3]
        assert [shown.tolist() for shown in engine.inputs] == [
            [[2, 2, 2, 2]],
            [[3, 0, 0, 0]],
        ]

    def test_good_windows_of_a_batch_keep_their_own_scores(self) -> None:
        engine = FakeEngine()
        rows = [1.5, 0, 0, 0, 7, 7, 7, 7, 2.5, 0, 0, 0]
        predictions = run(Pipeline(card(hop=4, frozen_rows=4), engine), block(rows))
        assert [p.reason for p in predictions] == ["", FROZEN, ""]
        assert [p.score for p in predictions if not p.reason] == [1.5, 2.5]
        assert engine.windows == 2


class TestJudgement:
    def test_a_clipped_window_is_never_normal(self) -> None:
        pipeline = Pipeline(card(hop=4), FakeEngine())
        predictions = run(pipeline, block([0] * 4 + [0, 9, 0, 0], clipped=[1, 5]))
        assert [p.state for p in predictions] == [State.UNKNOWN, State.ANOMALY]
        assert "full scale" in predictions[0].reason

    def test_a_tilted_sensor_is_a_baseline_mismatch_although_the_score_is_low(self):
        engine = FakeEngine(lambda features: features[:, :1] * 0)
        wants = card(channels=3, baseline=Baseline(gravity=(0, 0, 1)))
        upright, turned = [[0, 0, 1]] * 4, [[0, 1, 0]] * 4
        predictions = run(Pipeline(wants, engine), block(upright), block(turned))
        assert [p.state for p in predictions] == [
            State.NORMAL,
            State.BASELINE_MISMATCH,
            State.BASELINE_MISMATCH,
        ]
        assert "tilted by 90°" in predictions[-1].reason
        assert predictions[-1].score == 0

    def test_a_score_that_is_not_a_number_is_unknown(self) -> None:
        engine = FakeEngine(lambda features: features[:, :1] * np.float32("nan"))
        [prediction] = run(Pipeline(card(), engine), block([0] * 4))
        assert prediction.state is State.UNKNOWN

    def test_a_reconstruction_scores_its_mean_squared_error(self) -> None:
        engine = FakeEngine(lambda features: features - 3)
        wants = card(output=Output(score="reconstruction"))
        [prediction] = run(Pipeline(wants, engine), block([1, 2, 3, 4]))
        assert prediction.score == 9.0
        assert (prediction.label, math.isnan(prediction.probability)) == ("", True)

    def test_a_reconstruction_may_have_the_shape_of_the_models_tensor(self) -> None:
        engine = FakeEngine(lambda features: features.reshape(-1, 2, 2))
        wants = card(output=Output(score="reconstruction"))
        [prediction] = run(Pipeline(wants, engine), block([1, 2, 3, 4]))
        assert prediction.score == 0.0

    def test_a_value_is_the_first_output(self) -> None:
        engine = FakeEngine(lambda features: features[:, 1:3])
        [prediction] = run(Pipeline(card(), engine), block([1, 0.5, 3, 4]))
        assert prediction.score == 0.5

    def test_a_classifier_gives_the_label_and_its_distance_from_normal(self) -> None:
        output = Output(
            score="probability", labels=("worn", "good", "loose"), normal="good"
        )
        engine = FakeEngine(
            lambda features: np.float32([[0.125, 0.25, 0.625], [0.0, 1.0, 0.0]])
        )
        wants = card(kind="classifier", output=output, hop=4)
        predictions = run(Pipeline(wants, engine), block([0] * 8))
        assert [(p.label, p.probability, p.score) for p in predictions] == [
            ("loose", 0.625, 0.75),
            ("good", 1.0, 0.0),
        ]

    def test_without_a_normal_label_the_score_is_high_when_no_label_is_likely(
        self,
    ) -> None:
        wants = card(kind="classifier", output=Output(labels=("a", "b")), hop=4)
        engine = FakeEngine(lambda _: np.float32([[0.75, 0.25]]))
        [prediction] = run(Pipeline(wants, engine), block([0] * 4))
        assert (prediction.label, prediction.score) == ("a", 0.25)

    def test_a_withheld_window_has_no_label(self) -> None:
        output = Output(score="probability", labels=("a", "b"), normal="a")
        engine = FakeEngine(lambda features: np.float32([[0.9, 0.1]] * len(features)))
        wants = card(kind="classifier", output=output, hop=4, frozen_rows=4)
        predictions = run(Pipeline(wants, engine), block([1, 2, 3, 4, 7, 7, 7, 7]))
        assert [p.label for p in predictions] == ["a", ""]

    def test_features_are_computed_with_the_numbers_of_the_card(self) -> None:
        engine = FakeEngine()
        wants = card(channels=2, features=raw.Features(mean=(0, 0), std=(2, 4)))
        run(Pipeline(wants, engine), block([[1, 10], [3, 14], [1, 10], [3, 14]]))
        [[row]] = engine.inputs
        assert row.tolist() == [-0.5, -0.5, 0.5, 0.5, -0.5, -0.5, 0.5, 0.5]


class TestDelays:
    def test_the_delay_of_a_live_window_counts_from_its_last_sample(self) -> None:
        clock = Clock()
        engine = FakeEngine(clock=clock, quantise_ns=2_000, invoke_ns=6_000)
        pipeline = Pipeline(card(), engine, clock=clock)
        # Rows 0 to 5, the last of them 10 ms before the read, which was 3 ms ago.
        last_ns = clock() - 13 * MS
        rows = block([0] * 6, start_ns=last_ns - 5 * MS, age_ns=10 * MS)
        first, second = pipeline.step(rows, waited_ns=3 * MS)
        assert second.delay_ns == 13 * MS + 8_000
        assert first.delay_ns == 13 * MS + 8_000 + 2 * MS

    def test_the_delay_does_not_depend_on_the_sources_epoch(self) -> None:
        clock = Clock()
        pipeline = Pipeline(card(), FakeEngine(clock=clock), clock=clock)
        [prediction] = pipeline.step(
            block([0] * 4, start_ns=1_700_000_000 * SECOND, age_ns=MS)
        )
        assert prediction.delay_ns == MS

    def test_each_window_has_its_share_of_the_stages(self) -> None:
        clock = Clock()
        engine = FakeEngine(clock=clock, quantise_ns=2_000, invoke_ns=6_000)
        predictions = Pipeline(card(), engine, clock=clock).step(block([0] * 6))
        assert {(p.quantise_ns, p.invoke_ns) for p in predictions} == {(1_000, 3_000)}
        assert all(p.features_ns >= 0 and p.decide_ns >= 0 for p in predictions)

    def test_the_stages_add_up_to_the_time_that_passed(self) -> None:
        ticking = Clock()

        def clock() -> int:
            ticking.now_ns += 500
            return ticking.now_ns

        engine = FakeEngine(clock=ticking, quantise_ns=2_000, invoke_ns=6_000)
        begun = ticking.now_ns
        [p] = Pipeline(card(), engine, clock=clock).step(block([0] * 4))
        assert p.features_ns == 500
        total = p.features_ns + p.quantise_ns + p.invoke_ns + p.decide_ns
        assert total == ticking.now_ns - begun - 500  # the first look at the clock
