"""Text tables of loggers: layout, columns, times and rows."""
