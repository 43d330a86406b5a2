"""From a bare accelerometer to an alarm that people trust.

For notebooks, `import sensorml` is a small library; docs/library.md shows a session.
The names in `__all__` are public. All other modules are private, may change at any
time, and are documented for people who work on them; packages with a driver, a sink or
a feature use what docs/own-driver.md names.

>>> import numpy as np
>>> import sensorml
>>> samples = np.random.default_rng(0).normal(size=(800, 1)).astype(np.float32)
>>> recording = sensorml.from_array(samples, rate_hz=100.0, channels=["x"], unit="g")
>>> sensorml.windows(recording, window=64).data.shape
(24, 1, 64)
>>> sensorml.features(recording, "log_spectrum", window=64, bands=8).shape
(24, 8)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sensorml.errors import SensormlError
    from sensorml.pipeline.ring import Windows
    from sensorml.recordings import Recording, TableOptions, from_array, read, write_npz
    from sensorml.recordings.inspection.facts import inspect
    from sensorml.training.plot import plot
    from sensorml.training.scoring import LoadedModel, load
    from sensorml.training.train import Trained, train
    from sensorml.training.windows import features, windows
    from sensorml.types import Prediction, State

__version__ = "0.1.0"

__all__ = [
    "LoadedModel",
    "Prediction",
    "Recording",
    "SensormlError",
    "State",
    "TableOptions",
    "Trained",
    "Windows",
    "features",
    "from_array",
    "inspect",
    "load",
    "plot",
    "read",
    "train",
    "windows",
    "write_npz",
]

_MODULES: Final = {
    "LoadedModel": "sensorml.training.scoring",
    "Prediction": "sensorml.types",
    "Recording": "sensorml.recordings",
    "SensormlError": "sensorml.errors",
    "State": "sensorml.types",
    "TableOptions": "sensorml.recordings",
    "Trained": "sensorml.training.train",
    "Windows": "sensorml.pipeline.ring",
    "features": "sensorml.training.windows",
    "from_array": "sensorml.recordings",
    "inspect": "sensorml.recordings.inspection.facts",
    "load": "sensorml.training.scoring",
    "plot": "sensorml.training.plot",
    "read": "sensorml.recordings",
    "train": "sensorml.training.train",
    "windows": "sensorml.training.windows",
    "write_npz": "sensorml.recordings",
}
"""The module of each public name; imported at its first use."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name at its first use, so that a command stays fast."""
        if name not in _MODULES:
            raise AttributeError(f"module 'sensorml' has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return [*__all__, "__version__"]
