"""Tables: a known signal in every combination of layout reads back to the sample."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sensorml.recordings import read

ROWS = 60
RATE_HZ = 100
BEGIN = datetime(2024, 3, 20, 10, 0, 0, tzinfo=UTC)
BEGIN_NS = int(BEGIN.timestamp()) * 10**9
SIGNAL = np.round(np.random.default_rng(3).normal((0, 9.8), 2, (ROWS, 2)), 4).tolist()

SEPARATORS = {",": ".csv", ";": ".csv", "\t": ".tsv", "|": ".txt", "   ": ".dat"}


def at(i: int) -> datetime:
    return BEGIN + timedelta(milliseconds=10 * i)


TIMES = {
    "s": ("Time (s)", lambda i: f"{i / 100:.2f}", 0),
    "s without a unit": ("t", lambda i: f"{i / 100:.2f}", 0),
    "ms": ("t[ms]", lambda i: f"{10 * i}", 0),
    "millis": ("millis", lambda i: f"{10 * i + 5000}", 5_000_000_000),
    "elapsed_us": ("elapsed_us", lambda i: f"{10_000 * i}", 0),
    "epoch s": ("timestamp", lambda i: f"{at(i).timestamp():.3f}", BEGIN_NS),
    "epoch ms": ("epoc (ms)", lambda i: f"{BEGIN_NS // 10**6 + 10 * i}", BEGIN_NS),
    "epoch us": ("time", lambda i: f"{BEGIN_NS // 1000 + 10_000 * i}", BEGIN_NS),
    "epoch ns": ("_time", lambda i: f"{BEGIN_NS + 10_000_000 * i}", BEGIN_NS),
    "ISO": ("timestamp", lambda i: f"{at(i):%Y-%m-%dT%H:%M:%S.%f}Z", BEGIN_NS),
    "no zone": ("last_changed", lambda i: f"{at(i):%Y-%m-%d %H:%M:%S.%f}", BEGIN_NS),
    "day first": ("Datum", lambda i: f"{at(i):%d.%m.%Y %H:%M:%S.%f}", BEGIN_NS),
    "month first": ("date", lambda i: f"{at(i):%m/%d/%Y %I:%M:%S.%f %p}", BEGIN_NS),
    "year first": ("date", lambda i: f"{at(i):%Y/%m/%d %H:%M:%S.%f}", BEGIN_NS),
    "clock alone": ("Time", lambda i: f"{at(i):%H:%M:%S.%f}", 36_000 * 10**9),
}
PREAMBLES = {
    "none": "",
    "comments": "# a logger\n# made in a room\n",
    "keys": "Device: A17\nOperator: Müller\n\n",
    "sep": "sep={separator}\n",
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")


def written(
    separator: str,
    decimal: str,
    time: str,
    preamble: str,
    *,
    header: bool,
    ends: str = "\n",
    trailing: bool = False,
) -> str:
    """Return the signal as the text of a table."""
    name, form, _ = TIMES[time]
    lines = [[name, "Größe x", "y"]] if header else []
    for i, row in enumerate(SIGNAL):
        stamp = form(i)
        numbers = [f"{value:.4f}".replace(".", decimal) for value in row]
        if stamp.count(".") == 1:  # else they separate day, month and year
            stamp = stamp.replace(".", decimal)
        lines.append([stamp, *numbers])
    quoted = separator == decimal == ","
    text = PREAMBLES[preamble].format(separator=separator.strip() or ";")
    for fields in lines:
        cells = [f'"{f}"' if quoted and "," in f else f for f in fields]
        text += separator.join(cells) + (separator if trailing else "") + "\n"
    return text.replace("\n", ends)


@settings(deadline=None, max_examples=400)
@given(
    separator=st.sampled_from(list(SEPARATORS)),
    decimal=st.sampled_from([".", ","]),
    time=st.sampled_from(list(TIMES)),
    preamble=st.sampled_from(list(PREAMBLES)),
    header=st.booleans(),
    encoding=st.sampled_from(ENCODINGS),
    ends=st.sampled_from(["\n", "\r\n"]),
    packed=st.booleans(),
    trailing=st.booleans(),
)
def test_a_signal_reads_back_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory,
    separator: str,
    decimal: str,
    time: str,
    preamble: str,
    header: bool,
    encoding: str,
    ends: str,
    packed: bool,
    trailing: bool,
):
    blanks = not separator.strip(" ")
    assume(not (blanks and (header or trailing or " " in TIMES[time][1](0))))
    assume(not (preamble == "sep" and separator.strip() == ""))
    text = written(
        separator, decimal, time, preamble, header=header, ends=ends, trailing=trailing
    )
    raw = text.encode(encoding)
    ending = SEPARATORS[separator] + (".gz" if packed else "")
    path = tmp_path_factory.getbasetemp() / f"signal{ending}"
    path.write_bytes(gzip.compress(raw, mtime=0) if packed else raw)
    # Whole numbers from zero without a unit are a question: here the rate answers.
    unclear = not header and time in {"ms", "millis", "elapsed_us"}
    recording = read(path, rate_hz=RATE_HZ if unclear else None)
    assert recording.channels == (("Größe x", "y") if header else ("ch1", "ch2"))
    assert recording.samples.tolist() == np.float32(SIGNAL).tolist()
    assert recording.rate_hz == pytest.approx(RATE_HZ, rel=1e-3)
    assert len(recording.segments) == 1
    assert abs(recording.start_ns - TIMES[time][2]) < 200_000
