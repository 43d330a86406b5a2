"""raw: say what this is."""

from __future__ import annotations

from sensorml.pipeline.features.bands import Compute
from sensorml.schema import Floats, Table
from sensorml.types import Float32


class Raw(Table, frozen=True, kw_only=True, tag_field="kind", tag="raw"):
    """The samples themselves, (window, channels), after (x - mean) / std."""

    remove_dc: bool = True
    mean: Floats = ()
    std: Floats = ()


def _raw(spec: Raw) -> Compute:
    """Lay samples out as Keras does, (window, channels), one row per window."""

    def compute(windows: Float32, means: Float32) -> Float32:
        x = windows - means[:, :, None] if spec.remove_dc else windows
        return x.transpose(0, 2, 1).reshape(len(x), -1).copy()

    return compute
