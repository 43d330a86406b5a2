"""The running service: built, run, monitored and stopped."""
