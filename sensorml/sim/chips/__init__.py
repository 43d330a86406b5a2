"""Simulated chips at register level, one file each."""
