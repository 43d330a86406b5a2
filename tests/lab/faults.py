"""The table of faults that sensors, buses and the service can have."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from adapter import wait_for
from rig import Rig, Slot

from sensorml.buses.i2c_dev import TIMEOUT_S
from sensorml.types import SensorState

STRETCHES_S = (0.002, 0.008)
"""The shortest and longest delay of each message by clock stretching."""

# The beginnings and ends of faults.


def do_nothing(_rig: Rig, _slot: Slot) -> None:
    """End a fault that ends by itself."""


def refuse_byte(rig: Rig, slot: Slot) -> None:
    """Refuse a register's number, the value after it, or the address of a read.

    No driver of these chips writes more than one value at once.
    """
    byte = rig.random.randrange(3)
    if byte == 2:
        slot.chip.reads_until_nack = rig.random.randrange(slot.reads_per_visit)
        return
    slot.chip.nack_at = byte
    if byte == 1:  # only settings have so many bytes: a brown-out makes them needed
        slot.chip.brown_out()


def accept_bytes(_rig: Rig, slot: Slot) -> None:
    slot.chip.nack_at = slot.chip.reads_until_nack = None


def hold_data_low(rig: Rig, slot: Slot) -> None:
    rig.bus_of(slot).stuck = True


def release_data(rig: Rig, slot: Slot) -> None:
    rig.bus_of(slot).stuck = False


def stretch_clock(rig: Rig, slot: Slot) -> None:
    rig.bus_of(slot).stretch_s = rig.random.uniform(*STRETCHES_S)


def stop_stretching(rig: Rig, slot: Slot) -> None:
    rig.bus_of(slot).stretch_s = 0.0


def hang(_rig: Rig, slot: Slot) -> None:
    slot.chip.hung = True


def recover(_rig: Rig, slot: Slot) -> None:
    slot.chip.hung = False


def unplug_adapter(rig: Rig, slot: Slot) -> None:
    rig.bus_of(slot).unplug()


def plug_adapter(rig: Rig, slot: Slot) -> None:
    rig.bus_of(slot).plug()
    wait_for(Path(f"/dev/i2c-{slot.bus}").exists)


def remove_chip(_rig: Rig, slot: Slot) -> None:
    slot.chip.absent = True


def put_chip_back(_rig: Rig, slot: Slot) -> None:
    slot.chip.brown_out()
    slot.chip.absent = False


def insert_clone(rig: Rig, slot: Slot) -> None:
    rig.insert_chip(slot, identity=next(rig.identities))


def insert_other_rate(rig: Rig, slot: Slot) -> None:
    slot.rate_error = rig.random.choice((-1, 1)) * slot.largest_rate_error
    rig.insert_chip(slot)


def freeze(_rig: Rig, slot: Slot) -> None:
    slot.signal.frozen = True


def unfreeze(_rig: Rig, slot: Slot) -> None:
    slot.signal.frozen = False


def brown_out(_rig: Rig, slot: Slot) -> None:
    slot.chip.brown_out()


def pause_service(rig: Rig, _slot: Slot) -> None:
    rig.signal_service(signal.SIGSTOP)


def resume_service(rig: Rig, _slot: Slot) -> None:
    rig.signal_service(signal.SIGCONT)


# The slots that a fault of one slot affects.


def same_slot(slot: Slot, other: Slot) -> bool:
    return slot is other


def same_bus(slot: Slot, other: Slot) -> bool:
    return slot.bus == other.bus


def every_slot(_slot: Slot, _other: Slot) -> bool:
    return True


class Fault(NamedTuple):
    """One row of the table."""

    name: str
    begin: Callable[[Rig, Slot], None]
    end: Callable[[Rig, Slot], None]
    lasts_s: tuple[float, float]
    affects: Callable[[Slot, Slot], bool]
    """Return whether a fault of the first slot is one of the second slot, too."""
    states: tuple[SensorState, ...]
    """The states of an affected sensor: always the last, sometimes others before."""
    detail: str
    """A regular expression that the event's text matches."""
    always_reported: bool = True


_ABSENT, _FROZEN = (SensorState.ABSENT,), (SensorState.FROZEN,)
_OVERRUN = (SensorState.OVERRUN,)
# A transfer that is running when the adapter is unplugged is given up after 2 s.
_ABSENT_LATE = (SensorState.STALE, SensorState.ABSENT)
_REFUSED = "aborted a transfer"
_BROKE = "transfer was aborted"
_HELD = "holds the clock for too long"
_GONE = "no chip answers"
_SILENT = "lost its configuration|nothing but 0x00"
_LOST = r"\d+ samples? (was|were) lost"
_SHORT = (0.1, 0.6)
# A hang that ends before the time-out cannot be detected.
_HANGS = (2 * TIMEOUT_S, 8 * TIMEOUT_S)
_LONG = (8.0, 30.0)

# fmt: off
FAULTS = (
    Fault("NACK at a byte", refuse_byte, accept_bytes, _SHORT,
          same_slot, _ABSENT, f"{_REFUSED}|{_GONE}|{_SILENT}"),
    Fault("stuck data line", hold_data_low, release_data, _SHORT,
          same_bus, _ABSENT, _BROKE),
    Fault("slow clock stretch", stretch_clock, stop_stretching, _SHORT,
          same_bus, _OVERRUN, _LOST, always_reported=False),
    Fault("chip hangs", hang, recover, _HANGS,
          same_slot, _ABSENT, _HELD),
    Fault("adapter unplugged", unplug_adapter, plug_adapter, _SHORT,
          same_bus, _ABSENT_LATE, "the bus has disappeared|no sample for 2"),
    Fault("chip unplugged", remove_chip, put_chip_back, _SHORT,
          same_slot, _ABSENT, _GONE),
    Fault("another identity", remove_chip, insert_clone, _SHORT,
          same_slot, _ABSENT, _GONE),
    Fault("another rate, ±4 %", remove_chip, insert_other_rate, _SHORT,
          same_slot, _ABSENT, _GONE),
    Fault("frozen output", freeze, unfreeze, (0.3, 0.7),
          same_slot, _FROZEN, "repeats the same sample"),
    Fault("brown-out", brown_out, do_nothing, (0.0, 0.0),
          same_slot, _ABSENT, _SILENT),
    Fault("service paused", pause_service, resume_service, (0.4, 1.0),
          every_slot, _OVERRUN, _LOST),
)
# fmt: on

LONG_PAUSE = FAULTS[-1]._replace(name="computer asleep", lasts_s=(900.0, 900.0))
"""A pause in virtual time, after which every change of state is reported again."""

_BY_NAME = {fault.name: fault for fault in FAULTS}
OUTAGES = tuple(
    (_BY_NAME[name]._replace(name=f"{name}, 8-30 s", lasts_s=_LONG), slot)
    for name, slot in (
        ("stuck data line", "press"),
        ("chip hangs", "saw"),
        ("adapter unplugged", "fan"),
        ("chip unplugged", "oil"),
    )
)
"""Faults that last into the later steps of the back-off, once each, with their slot."""
