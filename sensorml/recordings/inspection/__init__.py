"""Inspection of recordings: statistics, checks before training, facts, pictures."""
