"""The live view on a terminal: sensors, models, alarms, store, sinks."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections import deque
from io import TextIOWrapper
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sensorml.process import Messages
from sensorml.service.status import Running
from sensorml.service.streams import Stream
from sensorml.threads import DetachedWorker
from sensorml.types import SensorState

REFRESH_S: Final = 0.25
END_S: Final = 1.0
"""The time for the last frame."""
BAR_CELLS: Final = 24
LAST_LINES: Final = 8

_COLOURS: Final = {
    "ok": "green",
    "normal": "green",
    "starting": "cyan",
    "ended": "cyan",
    "disarmed": "cyan",
    "anomaly": "red",
    "alarm": "bold white on red",
    "unknown": "yellow",
    "baseline_mismatch": "yellow",
}


class _LastLines(logging.Handler):
    """Keeps the last log lines, which are shown below the tables."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        self.lines: deque[str] = deque(maxlen=LAST_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


async def show(running: Running) -> None:
    """Draw the view until cancelled; log lines go into it meanwhile.

    A thread of its own draws it, because a terminal that is held (Ctrl-S) blocks.
    """
    root = logging.getLogger()
    last = _LastLines()
    handlers, root.handlers = root.handlers, [last]
    # A stream of its own, because Python flushes its own at exit and would block.
    output = TextIOWrapper(
        Messages(os.dup(2), "wb"),
        encoding=sys.stderr.encoding,
        errors="backslashreplace",
        write_through=True,
    )
    console = Console(file=output, force_terminal=True)
    live = Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    thread = DetachedWorker("view")

    def draw() -> None:
        live.update(render(running, list(last.lines)), refresh=True)

    def end() -> None:
        live.stop()
        console.print(render(running, list(last.lines)))
        output.close()

    try:
        await thread.call(live.start)
        while True:
            await thread.call(draw)
            await asyncio.sleep(REFRESH_S)
    finally:
        thread.finish(end, wait_s=END_S)
        root.handlers = handlers


def render(running: Running, lines: list[str]) -> Group:
    """Return one frame of the view."""
    seconds = (time.monotonic_ns() - running.started_ns) / 1e9
    head = Text.assemble(
        ("sensorml ", "bold"), running.config.device, f"  {seconds:.0f} s"
    )
    return Group(
        head,
        "",
        _sensors(running),
        "",
        _models(running),
        "",
        _alarms(running),
        "",
        _storage(running),
        "",
        *(Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in lines),
    )


def _sensors(running: Running) -> Table:
    table = _table("sensor", "state", "rate", "samples", "missed", "clipped", "")
    for sensor in running.monitor.sensors.values():
        rate = f"{sensor.rate_hz:.2f} Hz" if sensor.rate_hz else "–"
        table.add_row(
            sensor.name,
            _coloured(sensor.state),
            rate,
            f"{sensor.rows:,}",
            f"{sensor.missed:,}",
            f"{sensor.clipped:,}",
            sensor.reason if sensor.state is not SensorState.OK else "",
        )
    return table


def _models(running: Running) -> Table:
    table = _table(
        *("model", "window", "score / threshold", "", "delay", "delegate", "windows"),
        "",
    )
    for stream in running.monitor.streams:
        latest = stream.latest
        if latest is None:
            table.add_row(stream.model, "–", "", "", "", *_delegate(stream))
            continue
        table.add_row(
            stream.model,
            _coloured(latest.state),
            _bar(latest.score, latest.threshold),
            f"{latest.score:.3g} / {latest.threshold:.3g}",
            _delay(stream),
            *_delegate(stream),
        )
    return table


def _delegate(stream: Stream) -> tuple[Text, str, str]:
    """Return the delegate, the number of windows, and why the delegate is degraded."""
    engine = stream.pipeline.engine
    style = "yellow" if engine.degraded else ""
    return Text(stream.delegate, style), f"{stream.windows:,}", engine.why


def _delay(stream: Stream) -> str:
    latest = stream.latest
    if latest is None:
        return ""
    return f"{latest.delay_ns / 1e6:.1f} ms (model {latest.invoke_ns / 1e3:.0f} µs)"


def _bar(score: float, threshold: float) -> Text:
    """Draw the score on a scale whose middle is the threshold."""
    if not score >= 0 or threshold <= 0:
        return Text("·" * BAR_CELLS, style="dim")
    cells = min(BAR_CELLS, round(score / threshold * BAR_CELLS / 2))
    half = BAR_CELLS // 2
    return Text.assemble(
        ("━" * min(cells, half), "green"),
        ("━" * max(0, cells - half), "red"),
        (" " * (BAR_CELLS - cells), ""),
    )


def _alarms(running: Running) -> Table:
    table = _table("alarm", "state", "output", "")
    for alarm in running.monitor.alarms:
        line = alarm.logic.rule.gpio
        level = "on" if alarm.logic.output else "off"
        output = "–" if line is None else f"GPIO {line} {level}"
        table.add_row(alarm.name, _coloured(alarm.logic.state), output, alarm.reason)
    return table


def _storage(running: Running) -> Table:
    table = _table("store", "state", "backlog", "")
    committer = running.committer
    state = "failed" if committer.error else "ok"
    lost = (
        f"{running.outbox.dropped:,} predictions lost" if running.outbox.dropped else ""
    )
    table.add_row(str(committer.path), _coloured(state), "", committer.error or lost)
    for delivery in running.deliveries:
        status = delivery.status
        table.add_row(
            delivery.name, _coloured(status.state), f"{status.backlog:,}", status.reason
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column != "")
    return table


def _coloured(state: str) -> Text:
    return Text(str(state), style=_COLOURS.get(state, "bold yellow"))
