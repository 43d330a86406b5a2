"""What goes wrong with sensors, as a table."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from adapter import wait_for
from rig import Bench, Place

from sensorml.buses.i2c_dev import TIMEOUT_S
from sensorml.types import SensorState

STRETCHES_S = (0.002, 0.008)
"""How long each message of a bus is held up by a slow chip."""

# How faults begin and end: each is given the bench and the place it happens to.


def nothing(_bench: Bench, _place: Place) -> None:
    """It ends by itself."""


def refuse_a_byte(bench: Bench, place: Place) -> None:
    """Refuse a register's number, a value behind it, or the address of a read.

    No driver of these chips writes more than one value at once.
    """
    byte = bench.chance.randrange(3)
    if byte == 2:
        place.chip.reads_until_nack = bench.chance.randrange(place.reads)
        return
    place.chip.nack_at = byte
    if byte == 1:  # only settings have so many bytes: let it need them
        place.chip.brown_out()


def accept_bytes(_bench: Bench, place: Place) -> None:
    place.chip.nack_at = place.chip.reads_until_nack = None


def hold_data_low(bench: Bench, place: Place) -> None:
    bench.bus_of(place).stuck = True


def let_data_go(bench: Bench, place: Place) -> None:
    bench.bus_of(place).stuck = False


def stretch_the_clock(bench: Bench, place: Place) -> None:
    bench.bus_of(place).stretch_s = bench.chance.uniform(*STRETCHES_S)


def keep_the_clock(bench: Bench, place: Place) -> None:
    bench.bus_of(place).stretch_s = 0.0


def hang(_bench: Bench, place: Place) -> None:
    place.chip.hung = True


def wake_up(_bench: Bench, place: Place) -> None:
    place.chip.hung = False


def unplug_adapter(bench: Bench, place: Place) -> None:
    bench.bus_of(place).unplug()


def plug_adapter_in(bench: Bench, place: Place) -> None:
    bench.bus_of(place).plug()
    wait_for(Path(f"/dev/i2c-{place.bus}").exists)


def take_out(_bench: Bench, place: Place) -> None:
    place.chip.absent = True


def put_back(_bench: Bench, place: Place) -> None:
    place.chip.brown_out()
    place.chip.absent = False


def put_clone_in(bench: Bench, place: Place) -> None:
    bench.put_in(place, identity=next(bench.identities))


def put_faster_or_slower_in(bench: Bench, place: Place) -> None:
    place.rate_error = bench.chance.choice((-0.04, 0.04))
    bench.put_in(place)


def freeze(_bench: Bench, place: Place) -> None:
    place.signal.frozen = True


def thaw(_bench: Bench, place: Place) -> None:
    place.signal.frozen = False


def brown_out(_bench: Bench, place: Place) -> None:
    place.chip.brown_out()


def hold_the_reader(bench: Bench, _place: Place) -> None:
    bench.tell(signal.SIGSTOP)


def let_the_reader_go(bench: Bench, _place: Place) -> None:
    bench.tell(signal.SIGCONT)


def itself(place: Place, other: Place) -> bool:
    return place is other


def its_bus(place: Place, other: Place) -> bool:
    return place.bus == other.bus


def everything(_place: Place, _other: Place) -> bool:
    return True


class Fault(NamedTuple):
    """One line of the table; `begin` and `end` are the two halves of it."""

    name: str
    begin: Callable[[Bench, Place], None]
    end: Callable[[Bench, Place], None]
    lasts_s: tuple[float, float]
    hits: Callable[[Place, Place], bool]
    """Whether what happens to the first place is the second one's fault, too."""
    states: tuple[SensorState, ...]
    """What becomes of those that are hit: always the last, maybe others before."""
    says: str
    """What the event's sentence holds, as a regular expression."""
    sure: bool = True
    """Whether it shows every time."""


_ABSENT, _FROZEN = (SensorState.ABSENT,), (SensorState.FROZEN,)
_OVERRUN = (SensorState.OVERRUN,)
# A transfer that is under way when the adapter goes is given up after 2 s.
_ABSENT_LATE = (SensorState.STALE, SensorState.ABSENT)
_REFUSED = "broke a transfer off"
_BROKE = "transfer broke off"
_HELD = "holds the clock for too long"
_GONE = "nobody answers"
_SILENT = "lost its configuration|nothing but 0x00"
_LOST = r"\d+ samples were lost"
_WHILE = (0.1, 0.6)
# What is over before its time-out is no fault that anybody could tell.
_HANGS = (2 * TIMEOUT_S, 8 * TIMEOUT_S)
_LONG = (8.0, 30.0)

# fmt: off
FAULTS = (
    Fault("NACK at a byte", refuse_a_byte, accept_bytes, _WHILE,
          itself, _ABSENT, f"{_REFUSED}|{_GONE}|{_SILENT}"),
    Fault("stuck data line", hold_data_low, let_data_go, _WHILE,
          its_bus, _ABSENT, _BROKE),
    Fault("slow clock stretch", stretch_the_clock, keep_the_clock, _WHILE,
          its_bus, _OVERRUN, _LOST, sure=False),
    Fault("chip hangs", hang, wake_up, _HANGS,
          itself, _ABSENT, _HELD),
    Fault("adapter unplugged", unplug_adapter, plug_adapter_in, _WHILE,
          its_bus, _ABSENT_LATE, "the bus is gone|no sample for 2"),
    Fault("chip unplugged", take_out, put_back, _WHILE,
          itself, _ABSENT, _GONE),
    Fault("another identity", take_out, put_clone_in, _WHILE,
          itself, _ABSENT, _GONE),
    Fault("another rate, ±4 %", take_out, put_faster_or_slower_in, _WHILE,
          itself, _ABSENT, _GONE),
    Fault("frozen output", freeze, thaw, (0.3, 0.7),
          itself, _FROZEN, "repeats the same sample"),
    Fault("brown-out", brown_out, nothing, (0.0, 0.0),
          itself, _ABSENT, _SILENT),
    Fault("reader stalled", hold_the_reader, let_the_reader_go, (0.4, 1.0),
          everything, _OVERRUN, _LOST),
)
# fmt: on

STALL = FAULTS[-1]._replace(name="computer asleep", lasts_s=(900.0, 900.0))
"""Costs nothing, and so long after it every change of state is told again."""

_NAMED = {fault.name: fault for fault in FAULTS}
OUTAGES = tuple(
    (_NAMED[name]._replace(name=f"{name}, 8-30 s", lasts_s=_LONG), place)
    for name, place in (
        ("stuck data line", "press"),
        ("chip hangs", "saw"),
        ("adapter unplugged", "fan"),
        ("chip unplugged", "oil"),
    )
)
"""Long enough for the later steps of the back-off, and where: once each."""
