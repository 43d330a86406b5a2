"""External delegates of the TFLite runtime: loading, and reasons for a refusal."""

from __future__ import annotations

from typing import Final, NamedTuple

from sensorml.errors import DelegateError, ModelError, ReasonedError
from sensorml.inference.interpreter import Runtime, first_line

TOO_OLD: Final = "its library may be too old for this TFLite runtime"


class Accelerator(NamedTuple):
    """An external delegate: its name, shared library and options."""

    name: str
    library: str
    options: dict[str, str]
    cure: str = "update its library"
    """The way to get a library that works."""
    path: str = ""
    """The device's path in libedgetpu's list; empty where the options suffice."""

    @property
    def restart(self) -> str:
        """The cure for a device that is present and does not work."""
        return f"switch its power off and on; if that does not help, {self.cure}"


def load(runtime: Runtime, accelerator: Accelerator) -> object:
    """Load its library into this process; that may block, crash or hang.

    Raises:
        DelegateError: the library or the device does not open.
    """
    try:
        return runtime.load_delegate(accelerator.library, dict(accelerator.options))
    except (OSError, ValueError, AttributeError) as err:
        # Without a device the runtime gives no reason.
        raise DelegateError(
            f"{accelerator.name}: {accelerator.library} does not open: "
            f"{first_line(err)}",
            "check that the device is present and not in use"
            if isinstance(err, ValueError)
            else accelerator.cure,
        ) from err


def refusal(message: str, accelerator: Accelerator | None) -> ReasonedError:
    """Return the error for a model that the runtime does not make ready to run.

    Args:
        message: the runtime's.
        accelerator: what was to run the model; without one, the model is the cause.
    """
    what = f"the runtime refuses it: {message}"
    if accelerator is None:
        return ModelError(what)
    what = f"{accelerator.name}: {what}"
    if "unresolved custom op" in message:
        return DelegateError(f"{what}: {TOO_OLD}", accelerator.cure)
    cure = f"compile the model again; if that does not help, {accelerator.cure}"
    return DelegateError(what, cure)
