"""The notifications of systemd, received on a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from sensorml.acquisition.bus_thread import SensorPoller
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.config import loading
from sensorml.service import run as service
from sensorml.service.monitor import Monitor
from sensorml.service.status import Running
from sensorml.service.systemd import Notifier
from sensorml.storage.outbox import Outbox

ABSENT = """
[[sensor]]
name = "oil"
driver = "lm75"
bus = 99
[[alarm]]
name = "hot"
sensor = "oil"
when = {above = 80}
"""
HERE = """
[[sensor]]
name = "oil"
driver = "lm75"
bus = "sim"
"""
SOON_S = 30.0
"""Long enough on a busy machine."""


class Manager:
    """The socket on which systemd receives notifications."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    async def receive(self) -> str:
        async with asyncio.timeout(SOON_S):
            loop = asyncio.get_running_loop()
            return (await loop.sock_recv(self.socket, 4096)).decode()

    async def receive_until(self, text: str) -> list[str]:
        messages = [await self.receive()]
        while text not in messages[-1]:
            messages.append(await self.receive())
        return messages


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.socket.close()


@asynccontextmanager
async def served(manager: Manager, text: str) -> AsyncIterator[None]:
    """Run the service on a configuration meanwhile."""
    path = manager.path.with_name("box.toml")
    path.write_text(text)
    notifier = Notifier({"NOTIFY_SOCKET": str(manager.path)})
    run = service.run(
        loading.load(path), path.with_name("journal.db"), notifier=notifier
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run)
        yield
        task.cancel()


async def test_without_a_model_the_service_is_ready_with_the_first_row(
    manager: Manager,
) -> None:
    async with served(manager, HERE):
        assert (await manager.receive()).startswith("READY=1\nSTATUS=oil ")


async def test_a_service_without_results_becomes_ready_and_stays_alive(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "READY_S", 0.1)
    monkeypatch.setattr(service, "NOTIFY_S", 0.01)
    monkeypatch.setattr("sensorml.acquisition.bus_thread.LOOK_S", 0.02)
    async with served(manager, ABSENT):
        assert (await manager.receive()).startswith("READY=1\nSTATUS=oil ")
        await manager.receive_until("STATUS=oil absent, hot unknown")
        for _ in range(10):
            await manager.receive_until("WATCHDOG=1")


@pytest.mark.parametrize("hanging", ["bus", "engine"])
async def test_the_watchdog_is_fed_only_while_both_kinds_of_thread_run(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, hanging: str
) -> None:
    monkeypatch.setattr(service, "NOTIFY_S", 0.001)
    poller = SensorPoller("oil", SimpleNamespace())
    sensors = [SensorHealth("oil", stale_after_s=2.0)]
    monitor = Monitor(sensors, [], [], Outbox(urgent=lambda: None))
    ready = asyncio.Event()
    ready.set()
    running = Running(
        None,
        {"i2c-1": [poller]},
        monitor,
        None,
        None,
        None,
        SimpleNamespace(error=""),
        [],
        ready,
        0,
    )
    notifier = Notifier({"NOTIFY_SOCKET": str(manager.path)})
    async with asyncio.TaskGroup() as group:
        task = group.create_task(service._notify(running, notifier))
        await manager.receive_until("READY=1")
        for _ in range(5):
            if hanging == "bus":
                monitor.iterations += 1
            else:
                poller.iterations += 1
            assert await manager.receive() == "STATUS=oil starting"
        monitor.iterations += 1
        poller.iterations += 1
        assert "WATCHDOG=1" in await manager.receive_until("WATCHDOG=1")
        task.cancel()
    notifier.close()
