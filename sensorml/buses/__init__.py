"""Wires: the only importers of device libraries, and what their data share."""
