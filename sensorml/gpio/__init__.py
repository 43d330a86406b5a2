"""GPIO lines: their names, chips and pins."""
