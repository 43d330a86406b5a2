"""The kinds of features, one file each."""
