"""The writer of `.csv`: a column of times in ns, UTC, and one for each channel."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import BinaryIO

from sensorml.recordings.content import Content
from sensorml.recordings.tables.columns import OWN_TIME


def write(file: BinaryIO, content: Content) -> Sequence[str]:
    """Write text whose numbers are read back to the same samples and times."""
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow([OWN_TIME, *content.columns()])
    file.write(header.getvalue().encode())
    # Nine digits are enough for every float32.
    line = ",".join(["%d"] + ["%.9g"] * len(content.channels)) + "\n"
    for samples, t_ns in content.chunks():
        rows = zip(t_ns.tolist(), *samples.T.tolist(), strict=True)
        file.write("".join([line % row for row in rows]).encode())
    return ()
