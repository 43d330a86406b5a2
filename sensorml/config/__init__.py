"""The configuration file: its tables, its reader and its checks."""
