"""The journal, one SQLite file that is store and queue, with its writer and readers."""
