"""A vibrating machine, and simulated chips that feel it."""
