"""A journal, and a delivery from it to a fake sink, for the tests of delivery."""

from __future__ import annotations

import asyncio
import threading

from sensorml.interfaces import Delivered, Refused, Split
from sensorml.storage.delivery import Delivery
from sensorml.storage.journal import Journal
from sensorml.storage.letters import Letters
from sensorml.storage.reader import Reader
from sensorml.storage.retry_policy import RetryPolicy


def prediction(n):
    times = (n * 10, n * 10 + 5)
    names = ("motor", "m", "1", "cpu")
    return (*times, *names, 0.5, 1.0, "normal", 1.0, 1, 2, 3, 4, 5, 0, "", None)


ALARM = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)


def event(n):
    return (n, "k", "s", "", "", f"row {n}", None)


class Server:
    """A sink that keeps the rows it accepts."""

    batch_rows = 100

    def __init__(self):
        self.taken: list[tuple[str, tuple[object, ...]]] = []
        self.sends = 0
        self.refused: set[int] = set()
        self.answers: list[object] = []
        self.closed = False
        self.largest = 1_000_000
        self.threads: set[str] = set()

    def send(self, kind, rows):
        self.sends += 1
        self.threads.add(threading.current_thread().name)
        if self.answers:
            return self.answers.pop(0)
        if len(rows) > self.largest:
            return Split("HTTP 413")
        if any(row[0] in self.refused for row in rows):
            return Refused("HTTP 400: field type conflict")
        self.taken += [(kind, row[:-1]) for row in rows]
        return Delivered()

    def close(self):
        self.closed = True


class Time:
    """A `pause` that returns at once, records the waits and stops at the last.

    It is the clock, too, which nothing else advances.
    """

    def __init__(self, stop, waits):
        self.now_s = 100.0
        self.waits: list[float] = []
        self._stop = stop
        self._left = waits

    async def __call__(self, event, seconds):
        self.waits.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)
        if len(self.waits) >= self._left:
            self._stop.set()


class Box:
    """A journal, and a delivery from it to a server."""

    def __init__(self, path):
        self.path = path
        self.journal = Journal.open(path)
        self.server = Server()
        self.events = []
        self.stop = asyncio.Event()
        self.verified = 0

    async def acknowledge(self, kind, last_id, letters):
        self.journal.acknowledge("plant", kind, last_id, letters)

    @property
    def letters(self):
        self.journal.flush()
        return [stored.letter for stored in Letters(self.path).list()]

    async def verify(self):
        self.verified += 1

    def report(self, **event):
        self.events.append(event)

    def delivery(self, waits=1, **options):
        self.stop = asyncio.Event()
        options.setdefault("pause", Time(self.stop, waits))
        self.time = options["pause"]
        return Delivery(
            "plant",
            lambda: self.server,
            self.path,
            acknowledge=self.acknowledge,
            report=self.report,
            verify=self.verify,
            policy=RetryPolicy(jitter=lambda: 1.0),
            monotonic=lambda: getattr(self.time, "now_s", 100.0),
            **options,
        )

    async def run(self, waits=1, **options):
        delivery = self.delivery(waits, **options)
        async with asyncio.timeout(20):
            await delivery.run(self.stop)
        return delivery.status

    def offset(self, kind="event"):
        self.journal.flush()
        reader = Reader.open(self.path)
        try:
            return reader.offset("plant", kind)
        finally:
            reader.close()


class ServedBox:
    """A journal and the delivery by a real sink to a server of the tests."""

    def __init__(self, folder, server, open_sink):
        """Prepare; `open_sink` makes the sink from the keys of its table."""
        self.path = folder / "journal.db"
        self.journal = Journal.open(self.path)
        self.server = server
        self.events = []
        self.now_s = 0.0
        self._open_sink = open_sink

    async def acknowledge(self, kind, last_id, letters):
        self.journal.acknowledge("sink", kind, last_id, letters)

    async def deliver(self, *, until, longest_s, **options):
        """Deliver until a condition holds while the delivery waits."""
        stop = asyncio.Event()

        async def pause(_event, seconds):
            self.now_s += seconds
            if until() or self.now_s > longest_s:
                stop.set()
            await asyncio.sleep(0)

        delivery = Delivery(
            "sink",
            lambda: self._open_sink(options),
            self.path,
            acknowledge=self.acknowledge,
            report=lambda **event: self.events.append(event),
            policy=RetryPolicy(jitter=lambda: 0.0),
            pause=pause,
            monotonic=lambda: self.now_s,
            stop_s=20.0,
        )
        async with asyncio.timeout(60):
            await delivery.run(stop)
        self.journal.flush()
        return delivery.status

    @property
    def letters(self):
        return [stored.letter for stored in Letters(self.path).list()]
