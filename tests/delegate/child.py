"""A child process of the test delegate: its windows, deadlines and cure."""

import numpy as np

F = 4
LONG_S = 60.0  # a deadline that no test reaches
SHORT_S = 0.05
RESTART = "switch its power off and on; if that does not help, build it"


def rows(n):
    return np.random.default_rng(3).standard_normal((n, F)).astype(np.float32)


def pid_of(child):
    return child._child._child._process.pid
