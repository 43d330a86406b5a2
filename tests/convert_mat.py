"""A converter of MFPT bearing recordings (`.mat`) to our `.npz`.

    python tests/convert_mat.py InnerRaceFault_vload_2.mat OUT.npz

A file of the MFPT set holds one structure `bearing`: `gs` is the acceleration in g and
`sr` the sample rate in Hz. The files have no date, so `start_ns` is 0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from sensorml.recordings import write_npz


def convert(source: Path, target: Path) -> None:
    bearing = loadmat(source, squeeze_me=True, struct_as_record=False)["bearing"]
    write_npz(
        target,
        samples=np.asarray(bearing.gs, np.float32).reshape(-1, 1),
        rate_hz=float(bearing.sr),
        channels=("acceleration",),
        unit="g",
        start_ns=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="the .mat file")
    parser.add_argument("target", type=Path, help="the .npz file to write")
    args = parser.parse_args()
    convert(args.source, args.target)
    print(args.target)


if __name__ == "__main__":
    main()
