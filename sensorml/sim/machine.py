"""A rotating machine on two bearings, as an accelerometer on its housing measures it.

The acceleration is a function of the time alone. Nothing is kept between calls, so
the samples do not depend on how the times are divided into calls. Randomness is a
hash of the seed with the time or with the number of the impact.

The bearing formulas are those of rolling without sliding, outer ring at rest
(Randall and Antoni, "Rolling element bearing diagnostics - a tutorial",
Mechanical Systems and Signal Processing 25, 2011, section 2).

A housing rings at some kHz after each impact. An accelerometer at 800 Hz measures
only the low part of the response and, on chips with little filtering, aliases. So
the resonance here lies inside its band.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from sensorml.errors import OptionError
from sensorml.schema import Table

Float64: TypeAlias = NDArray[np.float64]
Hash: TypeAlias = NDArray[np.uint64]
G = Annotated[float, Meta(ge=-10_000, le=10_000)]
Size = Annotated[float, Meta(ge=0, le=10_000)]
"""In g, without a sign."""
Millimetres = Annotated[float, Meta(ge=0.001, le=100_000)]

DRIFT_PERIOD_S = 67.0
"""The period of a swing of the speed, by a load that varies."""
RAMP_S = 1.5
"""The time in which a fault grows to its whole size."""

_RADIAL = np.array([0.25, 0.7, 1.0])
"""Share of a radial force on the x (along the shaft), y and z axes."""
_QUIET = 7.0
"""Time constants after which a decayed impact is below 0.1 % and is left out."""


class MachineOptions(Table, frozen=True, kw_only=True):
    """The keys of a `[sensor.machine]` table."""

    rpm: Annotated[float, Meta(ge=0.01, le=100_000)] = 1480.0
    drift: Annotated[float, Meta(ge=0, le=0.2)] = 0.001
    """Share by which the speed swings, once in DRIFT_PERIOD_S."""
    harmonics: tuple[G, ...] = (0.12, 0.05, 0.025)
    """Amplitudes in g at 1×, 2×, 3× … of the shaft's speed, on the z axis."""
    gravity: tuple[G, G, G] = (0.0, 0.0, 1.0)
    """In g along x, y, z: the orientation of the sensor."""
    noise_g: Size = 0.012
    """Standard deviation of the white noise of each axis."""
    seed: int = 1

    fault: Literal["none", "inner", "outer", "unbalance"] = "none"
    fault_after_s: Annotated[float, Meta(ge=0, le=1e8)] = 0.0
    fault_g: Size = 0.5
    """Height of an impact on a bearing race, or the amplitude that is added at 1×."""

    balls: Annotated[int, Meta(ge=3, le=100)] = 9
    ball_mm: Millimetres = 7.94
    pitch_mm: Millimetres = 39.04
    contact_deg: Annotated[float, Meta(ge=0, lt=90)] = 0.0
    """The bearing; by default a 6205."""
    slip: Annotated[float, Meta(ge=0, le=0.1)] = 0.01
    """Standard deviation of an impact's time, as a share of their distance."""
    resonance_hz: Annotated[float, Meta(ge=10, le=1e6)] = 270.0
    damping: Annotated[float, Meta(ge=0.005, lt=1)] = 0.05

    def __post_init__(self) -> None:
        if self.ball_mm >= self.pitch_mm:
            raise OptionError(
                f"ball_mm = {self.ball_mm} does not fit into pitch_mm = "
                f"{self.pitch_mm}",
                "give the pitch circle's diameter",
            )


def bearing_orders(options: MachineOptions) -> tuple[float, float]:
    """Return impacts per turn of the shaft at the outer and the inner race.

    The 6205 is tabled with 3.585 and 5.415:

    >>> [round(order, 3) for order in bearing_orders(MachineOptions())]
    [3.585, 5.415]
    """
    lean = math.cos(math.radians(options.contact_deg))
    ratio = options.ball_mm / options.pitch_mm * lean
    return options.balls / 2 * (1 - ratio), options.balls / 2 * (1 + ratio)


class Machine:
    """A machine, from the moment it is switched on."""

    def __init__(self, options: MachineOptions) -> None:
        self._options = options
        self._seed = _mix(np.array([options.seed & (2**64 - 1)], np.uint64))[0]
        self._gravity = np.array(options.gravity)
        outer, inner = bearing_orders(options)
        self._order = inner if options.fault == "inner" else outer
        swing = _uniform(self._hash(np.array([1], np.uint64)))[0]
        self._swing = 2 * math.pi * float(swing)
        count = len(options.harmonics)
        keys = np.arange(2, 2 + 3 * count, dtype=np.uint64)
        phases = 2 * math.pi * _uniform(self._hash(keys))
        self._phases = phases.reshape(count, 3)
        # Impacts that still vibrate: they get closer as the speed swings up.
        self._decay_hz = options.damping * 2 * math.pi * options.resonance_hz
        busiest_hz = options.rpm / 60 * (1 + options.drift) * self._order
        self._active = math.ceil(_QUIET / self._decay_hz * busiest_hz) + 1

    def acceleration(self, t_s: Float64) -> Float64:
        """Return the acceleration (n, 3) in g at times `t_s` (n,), t >= 0."""
        turns = self._turns(t_s)
        force = self._noise(t_s) * self._options.noise_g
        force += self._gravity
        for i, amplitude in enumerate(self._options.harmonics):
            angle = 2 * math.pi * (i + 1) * turns[:, None] + self._phases[i]
            force += amplitude * _RADIAL * np.sin(angle)
        if self._options.fault != "none":
            grown = (t_s - self._options.fault_after_s) / RAMP_S
            size = self._options.fault_g * np.clip(grown, 0, 1)
            if size.any():
                force += self._fault(turns, t_s, size)
        return force

    def _turns(self, t_s: Float64) -> Float64:
        """Return the turns of the shaft so far: the integral of its speed."""
        swing = 2 * math.pi / DRIFT_PERIOD_S
        moved = math.cos(self._swing) - np.cos(swing * t_s + self._swing)
        return self._options.rpm / 60 * (t_s + self._options.drift / swing * moved)

    def _speed_hz(self, t_s: Float64) -> Float64:
        swing = 2 * math.pi / DRIFT_PERIOD_S
        share = 1 + self._options.drift * np.sin(swing * t_s + self._swing)
        return self._options.rpm / 60 * share

    def _fault(self, turns: Float64, t_s: Float64, size: Float64) -> Float64:
        if self._options.fault == "unbalance":
            # It turns with the shaft: y lags z by a quarter of a turn.
            lag = np.array([0.0, 0.25, 0.0])
            shape: Float64 = np.sin(2 * math.pi * (turns[:, None] - lag))
        else:
            shape = self._ringing(turns, t_s)[:, None]
        force: Float64 = size[:, None] * shape * _RADIAL
        return force

    def _ringing(self, turns: Float64, t_s: Float64) -> Float64:
        """Return the resonance as the last few impacts excite it, unit height."""
        rate_hz = self._speed_hz(t_s) * self._order
        passed = turns * self._order
        # Slip lets the next impact come early, so start one ahead.
        back = np.arange(-1, self._active)
        number = np.floor(passed)[:, None] - back
        late = self._options.slip * _normal(self._hash(number.view(np.uint64)))
        since_s = (passed[:, None] - number - late) / rate_hz[:, None]
        np.maximum(since_s, 0.0, out=since_s)  # not yet: the sine below is 0 there
        ring = np.exp(-self._decay_hz * since_s)
        ring *= np.sin(2 * math.pi * self._options.resonance_hz * since_s)
        if self._options.fault == "inner":
            # The pit goes round through the load zone, once a turn.
            ring *= 0.5 + 0.5 * np.cos(2 * math.pi * number / self._order)
        total: Float64 = ring.sum(axis=1)
        return total

    def _noise(self, t_s: Float64) -> Float64:
        moment = np.rint(t_s * 1e9).astype(np.uint64) << np.uint64(2)
        return _normal(self._hash(moment[:, None] | np.arange(3, dtype=np.uint64)))

    def _hash(self, key: Hash) -> Hash:
        return _mix(key ^ self._seed)


def _mix(key: Hash) -> Hash:
    """Scramble 64 bits: the output function of SplitMix64 (Steele et al. 2014)."""
    z = key + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hash = z ^ (z >> np.uint64(31))
    return mixed


def _uniform(bits: Hash) -> Float64:
    """Turn 64 random bits into a number in (0, 1)."""
    number: Float64 = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return number


def _normal(bits: Hash) -> Float64:
    """Turn 64 random bits into a normally distributed number (Box and Muller)."""
    half = np.uint64(32)
    radius = ((bits >> half).astype(np.float64) + 0.5) * 2.0**-32
    angle = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64) * 2.0**-32
    draw: Float64 = np.sqrt(-2 * np.log(radius)) * np.cos(2 * math.pi * angle)
    return draw
