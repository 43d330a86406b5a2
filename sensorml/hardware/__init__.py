"""Facts about this machine: board, buses, GPIO chips, devices."""
