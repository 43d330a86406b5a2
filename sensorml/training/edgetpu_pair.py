"""The file for the Edge TPU, added to a model folder."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Final

from sensorml.delegates.descriptor import ModelNeeds
from sensorml.delegates.qualification import twin
from sensorml.errors import ModelError
from sensorml.files import replacing, replacing_text
from sensorml.inference.tflite_file import read
from sensorml.pipeline import model_files
from sensorml.pipeline.model_card import CARD, CPU_FILE, EDGETPU_FILE
from sensorml.training.edgetpu import DTYPES

_NEEDS: Final = ModelNeeds(file=EDGETPU_FILE, dtypes=DTYPES)

_TABLE: Final = re.compile(r"^\[files\].*$", re.MULTILINE)
_EARLIER: Final = re.compile(
    rf"""^[ \t]*(["']){re.escape(EDGETPU_FILE)}\1.*\n?""", re.MULTILINE
)


def pair(compiled: Path, folder: Path) -> None:
    """Add a compiled file to the folder that it was compiled from.

    The file is copied, replaces an earlier one, and is listed in the card; the rest
    of the card is not changed.

    Raises:
        ModelError: the file or the folder is refused, or they do not belong together.
        OutputError: the folder cannot be written.
    """
    card = model_files.read(folder)
    model_files.verify(folder, {CPU_FILE: card.files[CPU_FILE]})
    data = twin(compiled, _NEEDS, card, read(folder / CPU_FILE)).data
    text = _listing(folder / CARD, hashlib.sha256(data).hexdigest())
    with replacing(folder / EDGETPU_FILE) as file:
        file.write(data)
    # Last: until then a card that lists an earlier file is refused, and the command
    # can be repeated.
    with replacing_text(folder / CARD) as file:
        file.write(text)


def _listing(path: Path, digest: str) -> str:
    """Return the text of the card with the file in its table `files`.

    Raises:
        ModelError: the table is not written under a heading `[files]`.
    """
    text = path.read_text("utf-8")
    expected = tomllib.loads(text)
    expected["files"][EDGETPU_FILE] = digest
    line = f'"{EDGETPU_FILE}" = "{digest}"'
    text = _EARLIER.sub("", text)
    text = _TABLE.sub(rf"\g<0>\n{line}", text, count=1)
    if tomllib.loads(text) != expected:
        raise ModelError(f"{path}: files is not a table of its own: write {line} there")
    return text
