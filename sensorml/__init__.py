"""From a bare accelerometer to an alarm that people trust."""

__version__ = "0.1.0"
