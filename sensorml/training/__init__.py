"""From recordings to a model folder, and scores of recordings."""
