"""The parts of a driver, and the threads that poll drivers."""
