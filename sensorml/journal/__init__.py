"""The one log: store, queue and embedded database in a single SQLite file.

`Journal` writes it, on one thread; `Reader` reads it, from any thread or
process, also while it is written.
"""

from sensorml.journal.reader import Batch, Reader
from sensorml.journal.tables import COLUMNS, INSTANTS, KINDS, storage
from sensorml.journal.writer import Journal

__all__ = ["COLUMNS", "INSTANTS", "KINDS", "Batch", "Journal", "Reader", "storage"]
