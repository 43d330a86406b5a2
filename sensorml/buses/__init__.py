"""Wires to sensors: I2C, SPI, Industrial I/O, MQTT and programs."""
