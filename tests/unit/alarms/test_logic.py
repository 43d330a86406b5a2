"""The logic of an alarm, by examples and against a reference model."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from support import SECOND, prediction

from sensorml.alarms.logic import (
    AlarmLogic,
    Signal,
    Vote,
    vote_of_value,
    vote_of_window,
)
from sensorml.config.tables import Alarm, When
from sensorml.types import AlarmState, State


def alarm(**rules: object) -> AlarmLogic:
    return AlarmLogic(
        Alarm(name="a", model="m", **{"of": (1, 1), "clear_after_s": 0.0, **rules})
    )


def feed(logic: AlarmLogic, votes: str, *, at_s: float = 0.0) -> list[str]:
    """Vote once a second: o over, h hold, c clear, b blind; return the states."""
    kinds = {"o": Vote.OVER, "h": Vote.HOLD, "c": Vote.CLEAR, "b": Vote.BLIND}
    states = []
    for i, each in enumerate(votes):
        logic.vote(round((at_s + i) * SECOND), kinds[each], each)
        states.append(logic.state.value)
    return states


class TestVotes:
    @pytest.mark.parametrize(
        ("score", "vote"),
        [(1.1, Vote.OVER), (1.0, Vote.HOLD), (0.8, Vote.HOLD), (0.79, Vote.CLEAR)],
    )
    def test_a_score_just_under_the_threshold_is_a_hold(self, score, vote) -> None:
        rules = Alarm(name="a", model="m", clear_ratio=0.8)
        assert vote_of_window(rules, prediction(score)) is vote

    @pytest.mark.parametrize("state", [State.UNKNOWN, State.BASELINE_MISMATCH])
    def test_a_window_that_was_not_judged_is_a_blind_vote(self, state):
        rules = Alarm(name="a", model="m")
        assert vote_of_window(rules, prediction(0.0, state=state)) is Vote.BLIND

    @pytest.mark.parametrize(
        ("when", "values"),
        [
            (When(equals=1), {0: False, 1: True, 2: False}),
            (When(above=1), {1: False, 1.1: True}),
            (When(below=1), {1: False, 0.9: True}),
            (When(above=1, below=2), {1: False, 1.5: True, 2: False}),
        ],
    )
    def test_every_condition_that_is_given_must_hold(self, when, values) -> None:
        for value, met in values.items():
            assert vote_of_value(when, value) is (Vote.OVER if met else Vote.CLEAR)


class TestAlarm:
    def test_it_begins_blind_and_safe(self) -> None:
        assert alarm().state is AlarmState.UNKNOWN
        assert alarm(fail_safe="on").output
        assert not alarm(fail_safe="off").output

    def test_it_comes_on_with_the_kth_of_the_last_n_votes(self) -> None:
        assert feed(alarm(of=(3, 5)), "ocoho")[3:] == ["normal", "alarm"]
        assert "alarm" not in feed(alarm(of=(3, 5)), "occcoccocccco")

    def test_an_alarm_needs_an_over_to_come_on(self) -> None:
        logic = alarm(of=(2, 5), clear_after_s=0)
        assert feed(logic, "oocccc") == ["normal", "alarm", *["normal"] * 4]

    def test_it_goes_off_only_after_the_dwell_of_clear_votes_alone(self) -> None:
        states = feed(alarm(clear_after_s=2), "occhcccc")
        assert states == [*["alarm"] * 6, "normal", "normal"]

    def test_a_blind_window_starts_the_dwell_again(self) -> None:
        states = feed(alarm(of=(2, 3), clear_after_s=3), "oocccbcccc")
        assert states == ["normal", *["alarm"] * 8, "normal"]

    def test_a_latched_alarm_waits_for_its_acknowledgement(self) -> None:
        logic = alarm(latch=True)
        assert set(feed(logic, "occccc")) == {"alarm"}
        change = logic.acknowledge(9 * SECOND)
        assert change is not None
        assert change == (9 * SECOND, "alarm", "normal", "acknowledged")

    def test_an_acknowledgement_does_not_end_an_alarm_that_lasts(self) -> None:
        logic = alarm(latch=True, clear_after_s=1)
        feed(logic, "oo")
        assert logic.acknowledge(2 * SECOND) is None
        assert feed(logic, "occ", at_s=3) == ["alarm", "alarm", "normal"]

    def test_an_acknowledgement_counts_for_one_alarm_only(self) -> None:
        logic = alarm(latch=True)
        logic.acknowledge(0)
        assert feed(logic, "occ") == ["alarm"] * 3

    def test_an_acknowledgement_does_not_end_a_blind_alarm(
        self,
    ) -> None:
        logic = alarm(latch=True)
        feed(logic, "oc")
        logic.blind(3 * SECOND, "no sensor")
        logic.acknowledge(4 * SECOND)
        assert logic.on
        assert feed(logic, "h", at_s=5) == ["alarm"]

    def test_an_alarm_that_was_on_is_on_again_when_it_sees(self) -> None:
        logic = alarm(of=(2, 3), clear_after_s=30)
        feed(logic, "oo")
        change = logic.blind(3 * SECOND, "gone")
        assert change == (3 * SECOND, "alarm", "unknown", "gone")
        assert logic.output
        assert feed(logic, "c", at_s=4) == ["alarm"]

    def test_a_blind_window_that_could_hide_an_alarm_makes_it_unknown(self) -> None:
        assert feed(alarm(of=(2, 3)), "cob") == ["normal", "normal", "unknown"]
        assert feed(alarm(of=(3, 5)), "ccbbc") == ["normal"] * 5

    def test_earlier_votes_do_not_count_after_a_silence(self) -> None:
        logic = alarm(of=(2, 3))
        feed(logic, "o")
        logic.blind(2 * SECOND, "gone")
        assert feed(logic, "occ", at_s=3) == ["normal"] * 3

    def test_k_blind_windows_make_it_blind(self) -> None:
        assert feed(alarm(of=(2, 3)), "cbcbb") == [
            *["normal"] * 3,
            "unknown",
            "unknown",
        ]

    def test_one_window_that_sees_is_not_enough_among_blind_ones(self) -> None:
        states = feed(alarm(of=(2, 4)), "cbbcccc")
        assert states == ["normal", "normal", *["unknown"] * 3, "normal", "normal"]

    def test_a_change_is_returned_once_with_its_reason_and_time(self) -> None:
        logic = alarm()
        assert logic.vote(7, Vote.CLEAR, "fine") == (7, "unknown", "normal", "fine")
        assert logic.vote(8, Vote.CLEAR, "fine") is None
        assert logic.vote(9, Vote.OVER, "bad") == (9, "normal", "alarm", "bad")


class TestArming:
    def test_a_disarmed_alarm_never_comes_on_and_starts_again_when_armed(self) -> None:
        logic = alarm(of=(2, 3))
        feed(logic, "co")
        logic.arm(2 * SECOND, armed=False)
        assert set(feed(logic, "oooo", at_s=3)) == {"disarmed"}
        change = logic.arm(9 * SECOND, armed=True)
        assert change == (9 * SECOND, "disarmed", "normal", "armed")
        assert feed(logic, "oo", at_s=10) == ["normal", "alarm"]

    def test_disarming_ends_an_alarm_even_a_latched_one(self) -> None:
        logic = alarm(latch=True)
        feed(logic, "o")
        change = logic.arm(2 * SECOND, armed=False)
        assert change == (2 * SECOND, "alarm", "disarmed", "disarmed")
        assert logic.signal is Signal.OFF
        logic.arm(3 * SECOND, armed=True)
        assert not logic.on

    def test_the_line_of_a_disarmed_alarm_is_off_also_when_blind(self) -> None:
        logic = alarm(fail_safe="on")
        logic.arm(0, armed=False)
        assert logic.blind(SECOND, "gone") is None
        assert logic.signal is Signal.OFF
        logic.arm(2 * SECOND, armed=True)
        assert (logic.state, logic.signal) == (AlarmState.UNKNOWN, Signal.SAFE)

    def test_arming_an_armed_alarm_changes_nothing(self) -> None:
        logic = alarm(of=(2, 3))
        feed(logic, "co")
        assert logic.arm(2 * SECOND, armed=True) is None
        assert feed(logic, "o", at_s=3) == ["alarm"]

    def test_a_blind_alarm_that_was_on_keeps_its_line_on(self) -> None:
        logic = alarm(fail_safe="on")
        assert logic.signal is Signal.SAFE
        feed(logic, "o")
        logic.blind(2 * SECOND, "gone")
        assert logic.signal is Signal.ALARM


class Reference:
    """The same rules, written for clarity."""

    def __init__(self, rules: Alarm) -> None:
        self.rules = rules
        self.recent: list[Vote] = []  # since a silence or the last alarm
        self.on = False
        self.seeing = False
        self.clear_since: int | None = None
        self.acknowledged = False

    def vote(self, at_ns: int, vote: Vote) -> None:
        k, n = self.rules.votes
        self.recent = [*self.recent, vote][-n:]
        window = list(self.recent)
        if self.on:
            if vote is not Vote.CLEAR:
                self.clear_since = None
            elif self.clear_since is None:
                self.clear_since = at_ns
            self.end_if_due(at_ns)
        elif vote is Vote.OVER and self.recent.count(Vote.OVER) >= k:
            self.on, self.acknowledged, self.clear_since = True, False, None
        blind = window.count(Vote.BLIND)
        at_worst = blind if self.on else blind + window.count(Vote.OVER)
        doubtful = blind > 0 and at_worst >= k
        self.seeing = not doubtful and (self.seeing or vote is not Vote.BLIND)

    def restart(self) -> None:
        self.recent, self.clear_since = [], None

    def end_if_due(self, at_ns: int) -> None:
        held = self.rules.latch and not self.acknowledged
        if self.clear_since is None or held or not self.on:
            return
        if at_ns - self.clear_since >= self.rules.dwell_s * SECOND:
            self.on, self.recent = False, []


class AlarmMachine(RuleBasedStateMachine):
    """Any votes, silences, acknowledgements and disarming, in any order."""

    @initialize(
        of=st.tuples(st.integers(1, 4), st.integers(1, 6)).filter(
            lambda of: of[0] <= of[1]
        ),
        dwell_s=st.sampled_from([0.0, 2.0, 5.0]),
        latch=st.booleans(),
        fail_safe=st.sampled_from(["on", "off"]),
    )
    def begin(self, of, dwell_s, latch, fail_safe) -> None:
        self.rules = Alarm(
            name="a",
            model="m",
            of=of,
            clear_after_s=dwell_s,
            latch=latch,
            fail_safe=fail_safe,
        )
        self.logic = AlarmLogic(self.rules)
        self.reference = Reference(self.rules)
        self.now_ns = 0
        self.last_not_clear_ns = 0

    def step(self, change, before) -> None:
        """Check that a change is returned exactly when the state has changed."""
        after = self.logic.state
        if after is before:
            assert change is None
        else:
            assert change is not None
            assert (change.before, change.after) == (before, after)

    @rule(vote=st.sampled_from(Vote), seconds=st.integers(0, 3))
    def vote(self, vote: Vote, seconds: int) -> None:
        self.now_ns += seconds * SECOND
        before, was_on = self.logic.state, self.logic.on
        if vote is not Vote.CLEAR:
            self.last_not_clear_ns = self.now_ns
        self.reference.vote(self.now_ns, vote)
        self.step(self.logic.vote(self.now_ns, vote, "vote"), before)
        if was_on and not self.logic.on:
            dwelt_ns = self.now_ns - self.last_not_clear_ns
            assert dwelt_ns >= self.rules.dwell_s * SECOND

    @rule(votes=st.lists(st.just(Vote.OVER), min_size=6, max_size=6))
    def storm(self, votes: list[Vote]) -> None:
        for each in votes:
            self.vote(each, 1)
        assert self.logic.on
        assert self.logic.state is AlarmState.ALARM

    @rule(votes=st.lists(st.sampled_from(Vote), max_size=6))
    def disarm_for_a_while(self, votes: list[Vote]) -> None:
        before = self.logic.state
        self.step(self.logic.arm(self.now_ns, armed=False), before)
        for each in votes:
            assert self.logic.vote(self.now_ns, each, "vote") is None
            assert self.logic.state is AlarmState.DISARMED
            assert self.logic.signal is Signal.OFF
        self.reference.restart()
        self.reference.on = False
        if votes:
            self.reference.seeing = votes[-1] is not Vote.BLIND
        self.last_not_clear_ns = self.now_ns
        change = self.logic.arm(self.now_ns, armed=True)
        assert change is not None
        self.step(change, AlarmState.DISARMED)

    @rule()
    def silence(self) -> None:
        before, was_on = self.logic.state, self.logic.on
        self.reference.restart()
        self.reference.seeing = False
        self.last_not_clear_ns = self.now_ns
        self.step(self.logic.blind(self.now_ns, "silence"), before)
        assert self.logic.state is AlarmState.UNKNOWN
        assert self.logic.on == was_on

    @rule()
    def acknowledge(self) -> None:
        before = self.logic.state
        self.reference.acknowledged = True
        self.reference.end_if_due(self.now_ns)
        self.step(self.logic.acknowledge(self.now_ns), before)

    @precondition(lambda self: self.logic.on and self.rules.latch)
    @rule()
    def a_latch_holds(self) -> None:
        if not self.reference.acknowledged:
            for _ in range(8):
                self.vote(Vote.CLEAR, 3)
            assert self.logic.on

    @invariant()
    def it_agrees_with_the_reference(self) -> None:
        if hasattr(self, "logic"):
            assert self.logic.on == self.reference.on
            assert self.logic.seeing == self.reference.seeing

    @invariant()
    def its_output_is_on_in_an_alarm_and_safe_while_blind(self) -> None:
        if hasattr(self, "logic"):
            if self.logic.on:
                assert self.logic.output
            elif self.logic.state is AlarmState.UNKNOWN:
                assert self.logic.output == (self.rules.fail_safe == "on")
            else:
                assert not self.logic.output


TestAlarmMachine = AlarmMachine.TestCase
TestAlarmMachine.settings = settings(max_examples=60, stateful_step_count=40)
