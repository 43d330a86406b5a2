"""The self-test of an accelerometer: the chip pushes its own proof mass.

The output changes by an amount that the data sheet gives; with a broken mass, or
one that sticks, it changes less or not at all. So a sensor can be tested where it is
mounted. The machine must stand still during the test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from sensorml.acquisition.fifo_schedule import GOLDEN
from sensorml.interfaces import Registers
from sensorml.types import Float32

Limits: TypeAlias = Sequence[tuple[float, float]]
"""The smallest and the largest change allowed for x, y and z, in g."""
Sign: TypeAlias = Literal["given", "any"]
"""The sign of a change: that of its limits, or any, where only the size counts."""

ROWS = 32
ROW_S = 0.01
"""The mean time between rows."""
SETTLE_S = 0.1
"""For the filter; ST waits longest, 90 ms (its example lis3dh_self_test.c)."""
STILL_G = 0.05
"""Standard deviation beyond which something moves: the noisiest chips have 0.01."""


class Verdict(StrEnum):
    """The result of a self-test."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class AxisChange:
    """The change of one axis under the push, and its limits, in g."""

    axis: str
    change_g: float
    least_g: float
    most_g: float

    @property
    def fits(self) -> bool:
        return self.least_g <= self.change_g <= self.most_g


@dataclass(frozen=True, slots=True)
class SelfTest:
    """One self-test of one chip."""

    verdict: Verdict
    axes: tuple[AxisChange, ...] = ()
    why: str = ""
    """The reason why it did not pass, and the cure."""


@runtime_checkable
class SelfTestModule(Protocol):
    """The module of a driver whose chip has a self-test."""

    def self_test(self, bus: Registers, pause: Callable[[float], None]) -> SelfTest:
        """Test the chip; afterwards it sleeps, with the settings of the test.

        Raises:
            BusError: the chip did not answer.
            SensorError: it is another chip, or does not take the settings.
        """


def run(
    read: Callable[[], Float32],
    push: Callable[[], None],
    rest: Callable[[], None],
    *,
    pause: Callable[[float], None],
    limits: Limits,
    sign: Sign = "given",
) -> SelfTest:
    """Compare the levels without and with the push, in about a second.

    Args:
        read: Reads the data registers, in g, shape (1, 3); the chip is
            measuring.
        push: Switches the self-test on.
        rest: Switches it off and puts the chip to sleep; always called.
        pause: Waits so many seconds.
        limits: The limits of the data sheet.
        sign: Whether the signs of the changes count.

    Raises:
        BusError: the chip does not answer.
    """
    try:
        still = _rows(read, pause)
        push()
        pushed = _rows(read, pause)
    finally:
        rest()
    return judge(still, pushed, limits, sign)


def judge(
    still: Float32, pushed: Float32, limits: Limits, sign: Sign = "given"
) -> SelfTest:
    """Return the result of rows (n, 3), in g, from before and during the push.

    >>> level = np.array([[0, 0, 1]], np.float32)
    >>> judge(level, level + np.float32(0.5), [(0.3, 0.7)] * 3).verdict.value
    'passed'
    >>> judge(level, level - np.float32(0.5), [(0.3, 0.7)] * 3).verdict.value
    'failed'
    """
    changes = pushed.mean(axis=0) - still.mean(axis=0)
    if sign == "any":
        changes = np.abs(changes)
    axes = tuple(
        AxisChange(axis, round(float(change), 4), round(least, 4), round(most, 4))
        for axis, change, (least, most) in zip("xyz", changes, limits, strict=True)
    )
    spread = np.maximum(still.std(axis=0), pushed.std(axis=0))
    if spread.max() > STILL_G:
        axis = "xyz"[int(spread.argmax())]
        why = f"{axis} moves by {spread.max():.2f} g: stop the machine and try again"
        return SelfTest(Verdict.UNDECIDED, axes, why)
    if wrong := [axis.axis for axis in axes if not axis.fits]:
        why = (
            f"{' and '.join(wrong)} outside the limits: see that nothing moves it "
            "and try again; if it stays so the sensor is damaged: replace it"
        )
        return SelfTest(Verdict.FAILED, axes, why)
    return SelfTest(Verdict.PASSED, axes)


def trimmed_g(codes: bytes) -> Limits:
    """Return the limits of InvenSense's chips since the MPU-6500, at ±2 g.

    The factory has measured 2620 × 1.01^(code - 1) counts of 1/16384 g, and a
    half to one and a half of that passes (InvenSense's Icm20948SelfTest.c). It
    has measured nothing where a code is 0; then 225 to 675 mg pass (InvenSense's
    Linux drivers, DEF_ACCEL_ST_AL_MIN and _MAX):

    >>> [f"{least:.3f} to {most:.3f}" for least, most in trimmed_g(bytes((1, 113, 2)))]
    ['0.080 to 0.240', '0.244 to 0.731', '0.081 to 0.242']
    >>> trimmed_g(bytes((1, 113, 0)))[0]
    (0.225, 0.675)
    """
    if 0 in codes:
        return [(0.225, 0.675)] * len(codes)
    trims = [2620 / 16384 * 1.01 ** (code - 1) for code in codes]
    return [(0.5 * trim, 1.5 * trim) for trim in trims]


def _rows(read: Callable[[], Float32], pause: Callable[[float], None]) -> Float32:
    """Take ROWS rows once the output has settled, shape (ROWS, 3).

    Their distances vary, because a vibration at an even rate would look still.
    """
    pause(SETTLE_S)
    rows = []
    for number in range(ROWS):
        pause(ROW_S * (0.5 + number * GOLDEN % 1))
        rows.append(read())
    return np.concatenate(rows)
