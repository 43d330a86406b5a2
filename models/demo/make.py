"""The maker of the demo's model: `python models/demo/make.py [FOLDER]`.

It records the healthy simulated machine of `sensorml run`, at each of its speeds,
through the driver of the demo. Time is simulated, so it does not wait. The same version
of numpy gives the same bytes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from sensorml.buses import i2c
from sensorml.drivers import adxl345
from sensorml.interfaces import Registers
from sensorml.pipeline.model_card import CARD, CPU_FILE
from sensorml.recordings import write_npz
from sensorml.sim.machine import MachineOptions
from sensorml.training.train import train

SPEEDS_RPM = (1470.0, 1480.0, 1490.0)
SEEDS = (1, 2, 3)
DURATION_S = 45.0
START_NS = 1_767_225_600 * 10**9  # 2026-01-01: the date in the card


def record(path: Path, machine: MachineOptions) -> None:
    """Record the machine with the demo's sensor."""
    now_ns = START_NS
    options = adxl345.Options(bus="sim", rate_hz=800, range_g=4, machine=machine)

    def clock() -> int:
        return now_ns

    def connect(options: adxl345.Options, chip: str) -> Registers:
        return i2c.connect(options, chip, clock)

    driver = adxl345.Driver(options, connect, clock)
    driver.start()
    blocks = []
    while now_ns < START_NS + DURATION_S * 1e9:
        now_ns += round(driver.period_s * 1e9)
        if (block := driver.read()) is not None:
            blocks.append(block)
    driver.stop()
    assert sum(block.missed for block in blocks) == 0
    channels = adxl345.channels(options)
    write_npz(
        path,
        samples=np.concatenate([block.samples for block in blocks]),
        rate_hz=options.rate_hz,
        channels=[channel.name for channel in channels],
        unit=channels[0].unit,
        start_ns=START_NS,
    )


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        files = []
        for speed_rpm in SPEEDS_RPM:
            for seed in SEEDS:
                path = Path(temporary) / f"{speed_rpm:.0f}rpm_{seed}.npz"
                record(path, MachineOptions(rpm=speed_rpm, seed=seed))
                files.append(path)
        model = train(files, Path(temporary) / "demo", window=512, hop=256)
        for name in (CARD, CPU_FILE):
            shutil.copyfile(model.folder / name, folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
