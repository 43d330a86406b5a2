"""A vibrating machine, and simulated chips that measure it."""
