"""Facts of a recording: rate, jitter, gaps, levels, lines, and their words."""

from pathlib import Path

import numpy as np
import pytest

from sensorml.recordings import from_array, read, write_npz
from sensorml.recordings.inspection.facts import inspect
from sensorml.recordings.inspection.spectrum import lines, spectrum
from sensorml.recordings.inspection.words import words
from sensorml.recordings.joining import joined

RATE_HZ = 500.0
ROWS = 20_000
JANUARY_2026_NS = 1_767_225_600 * 10**9


def machine(rows=ROWS):
    t_s = np.arange(rows) / RATE_HZ
    noise = np.random.default_rng(0).normal(0, 0.01, (rows, 2))
    x = 0.5 * np.sin(2 * np.pi * 50.2 * t_s) + 0.1 * np.sin(2 * np.pi * 120 * t_s)
    return (noise + np.stack((x, 1 + 0.2 * x), axis=1)).astype(np.float32)


def test_channels_have_level_range_and_lines():
    facts = inspect(from_array(machine(), rate_hz=RATE_HZ, unit="g"))
    x, y = facts.channels
    assert x.level == pytest.approx(np.hypot(0.5, 0.1) / 2**0.5, rel=0.01)
    assert (x.low, x.high) == pytest.approx((-0.62, 0.62), abs=0.03)
    assert y.mean == pytest.approx(1.0, abs=0.001)
    assert [line.hz for line in x.lines] == pytest.approx([50.2, 120], abs=0.05)
    assert [line.amplitude for line in x.lines] == pytest.approx([0.5, 0.1], rel=0.05)
    assert facts.findings == ()


def test_times_give_start_jitter_and_gaps(tmp_path):
    t_ns = np.arange(ROWS) * 2_000_000
    t_ns[ROWS // 2 :] += 14_000_000  # 7 rows
    jitter = np.random.default_rng(1).integers(0, 400_000, ROWS)
    path = tmp_path / "gap.npz"
    write_npz(
        path,
        samples=machine(),
        rate_hz=RATE_HZ,
        channels=["x", "y"],
        unit="g",
        start_ns=JANUARY_2026_NS,
        t_ns=t_ns + jitter + JANUARY_2026_NS,
    )
    facts = inspect(read(path))
    assert facts.missed == 7
    assert [(gap.row, gap.missed) for gap in facts.gaps] == [(ROWS // 2 + 1, 7)]
    assert facts.jitter_ms == pytest.approx(0.31, abs=0.03)
    assert facts.seconds == pytest.approx((ROWS + 7) / RATE_HZ, abs=0.001)
    said = words(facts)
    assert "from 2026-01-01 00:00:00 UTC" in said
    assert "gaps       7 rows missing, before row 10001 (7)" in said


def test_without_times_there_is_no_jitter():
    facts = inspect(from_array(machine(), rate_hz=RATE_HZ))
    assert facts.jitter_ms is None
    assert "no times in the file" in words(facts)


def test_findings_are_those_of_the_checks():
    samples = machine()
    samples[12_000:, 1] = 1.0
    facts = inspect(from_array(samples, rate_hz=RATE_HZ, channels=["x", "y"]))
    [finding] = facts.findings
    assert (finding.fault, finding.channels, finding.refused) == (
        "frozen", ("y",), True,
    )  # fmt: skip
    assert [(s.first, s.last) for s in facts.channels[1].frozen] == [(12_001, ROWS)]
    assert "REFUSED    channel 'y' is frozen at 1 in rows 12001 to 20000" in words(
        facts
    )


def test_the_sum_of_a_spectrum_is_the_mean_square():
    recording = from_array(machine(), rate_hz=RATE_HZ)
    of = spectrum(recording)
    level = recording.samples.std(axis=0)
    assert of.power[1:].sum(axis=0) == pytest.approx(np.square(level), rel=0.02)


def test_a_drift_has_no_lines():
    drift = np.cumsum(np.random.default_rng(0).normal(size=(ROWS, 1)), axis=0)
    assert lines(spectrum(from_array(drift, rate_hz=RATE_HZ)), 0) == ()
    tone = np.sin(2 * np.pi * 50 * np.arange(ROWS) / RATE_HZ)[:, None]
    [line] = lines(spectrum(from_array(drift + 5 * tone, rate_hz=RATE_HZ)), 0)
    assert line.hz == pytest.approx(50, abs=0.05)


def test_files_that_are_joined_have_gaps_of_unknown_length():
    parts = [from_array(machine(2000), rate_hz=RATE_HZ) for _ in range(2)]
    facts = inspect(joined(Path("parts"), parts))
    assert (facts.missed, [(g.row, g.missed) for g in facts.gaps]) == (
        0,
        [(2001, None)],
    )
    assert "before row 2001 (another part)" in words(facts)


def test_noise_has_no_lines():
    noise = np.random.default_rng(0).normal(size=(ROWS, 1))
    assert lines(spectrum(from_array(noise, rate_hz=RATE_HZ)), 0) == ()


@pytest.mark.parametrize("rows", [1, 2, 40, 255, 300])
def test_a_short_recording_has_facts_too(rows):
    facts = inspect(from_array(machine(rows), rate_hz=RATE_HZ))
    assert facts.rows == rows
    assert words(facts)
