"""The journal and its ways in and out: one SQLite file that is store and queue."""
