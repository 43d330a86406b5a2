"""The commands of `sensorml`, one file or folder each."""
