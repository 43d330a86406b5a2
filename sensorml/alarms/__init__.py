"""Alarms: their logic, output lines, meters and fail-safe levels."""
