"""List, show, send again or drop the rows that a sink has refused."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sensorml import plugins
from sensorml.commands._arguments import file, name
from sensorml.config import loading
from sensorml.errors import StoreError
from sensorml.interfaces import Delivered, Row, Sink
from sensorml.process import plain
from sensorml.storage.batches import Rows
from sensorml.storage.delivery import outcome_of
from sensorml.storage.letters import Letters, StoredLetter
from sensorml.storage.reader import Reader, row_id
from sensorml.storage.rows import Letter
from sensorml.storage.tables import COLUMNS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = _action(actions, "list", "what was refused, when and why")
    listing.add_argument("--json", action="store_true", help="one JSON document")
    _ids(_action(actions, "show", "the rows themselves, as JSON lines"))
    _ids(_action(actions, "drop", "forget letters; the rows stay in the journal"))
    resend = _action(actions, "resend", "send the rows again, also beside the service")
    resend.add_argument(
        "config", type=file, metavar="CONFIG", help="the file that names the sinks"
    )
    _ids(resend)


def run(args: argparse.Namespace) -> int:
    return _ACTIONS[args.action](args)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    action: str,
    purpose: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        action, help=purpose, description=purpose, allow_abbrev=False
    )
    of_config = action == "resend"
    parser.add_argument(
        "--store",
        type=file,
        required=not of_config,
        metavar="FILE",
        help="the journal; default: that of CONFIG" if of_config else "the journal",
    )
    parser.add_argument("--sink", type=name, metavar="NAME", help="only of this sink")
    return parser


def _ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--id",
        type=int,
        action="append",
        metavar="ID",
        help="only this letter, by the first column of the list; may be repeated",
    )


def _list(args: argparse.Namespace) -> int:
    letters = Letters(args.store).list(sink=args.sink)
    if args.json:
        print(json.dumps([_as_json(letter) for letter in letters], indent=2))
        return 0
    for id_, time_ns, sink, letter in letters:
        print(id_, _time(time_ns), plain(sink), plain(str(letter)), sep="  ")
    return 0


def _show(args: argparse.Namespace) -> int:
    with closing(Reader.open(args.store)) as reader:
        for stored in _chosen(Letters(args.store), args):
            kind = stored.letter.kind
            for row in _rows(reader, stored.letter):
                values = dict(zip((*COLUMNS[kind], "id"), row, strict=True))
                print(json.dumps({"letter": stored.id, "table": kind} | values))
    return 0


def _drop(args: argparse.Namespace) -> int:
    letters = Letters(args.store)
    chosen = _chosen(letters, args)
    letters.drop(chosen)
    print(f"{len(chosen)} letters dropped")
    return 0


def _resend(args: argparse.Namespace) -> int:
    config = loading.load(args.config)
    store: Path = args.store or config.store_path()
    letters = Letters(store)
    chosen = _chosen(letters, args)
    kept = 0
    with closing(Reader.open(store)) as reader:
        for configured in config.sinks:
            mine = [x for x in chosen if x.sink == configured.name]
            if not mine:
                continue
            sink = plugins.sink(configured.driver).Sink(
                configured.options, {"device": config.device}
            )
            with closing(sink):
                done = [letter for letter in mine if _sent(reader, sink, letter)]
            letters.drop(done)
            kept += len(mine) - len(done)
    without = len([x for x in chosen if x.sink not in {s.name for s in config.sinks}])
    if without:
        print(f"{without} letters are of sinks that {args.config} does not name")
    return 1 if kept else 0


def _sent(reader: Reader, sink: Sink, stored: StoredLetter) -> bool:
    """Send the rows of a letter; print and return whether they are stored now."""
    rows = _rows(reader, stored.letter)
    for i in range(0, len(rows), sink.batch_rows):
        batch = Rows(stored.letter.kind, rows[i : i + sink.batch_rows])
        outcome = outcome_of(sink, batch)
        if not isinstance(outcome, Delivered):
            print(stored.id, "kept", plain(str(outcome.reason)), sep="  ")
            return False
    what = f"{len(rows)} rows sent" if rows else "its rows have left the journal"
    print(stored.id, what, sep="  ")
    return True


def _chosen(letters: Letters, args: argparse.Namespace) -> list[StoredLetter]:
    """Return the letters that the arguments name.

    Raises:
        StoreError: one of them does not exist.
    """
    of_sink = letters.list(sink=args.sink)
    if args.id is None:
        return of_sink
    if missing := set(args.id) - {letter.id for letter in of_sink}:
        raise StoreError(
            f"there is no letter {min(missing)}: sensorml letters list shows them"
        )
    return [letter for letter in of_sink if letter.id in args.id]


def _rows(reader: Reader, letter: Letter) -> list[Row]:
    """Return the rows of a letter that are still in the journal."""
    limit = letter.last_id - letter.first_id + 1
    rows = reader.rows(letter.kind, letter.first_id - 1, limit)
    return [row for row in rows if row_id(row) <= letter.last_id]


def _as_json(stored: StoredLetter) -> dict[str, object]:
    head = {"id": stored.id, "time_ns": stored.time_ns, "sink": stored.sink}
    return head | dict(stored.letter._asdict())


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).isoformat()


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "list": _list,
    "show": _show,
    "drop": _drop,
    "resend": _resend,
}
