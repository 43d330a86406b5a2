"""An external delegate, and who is to blame when a model does not run on it."""

from __future__ import annotations

from typing import Final, NamedTuple

from sensorml.errors import DelegateError, ModelError
from sensorml.inference.interpreter import Runtime, first_line

TOO_OLD: Final = "its library may be too old for this TFLite runtime"


class Accelerator(NamedTuple):
    """An external delegate: its name, shared library and options."""

    name: str
    library: str
    options: dict[str, str]
    cure: str = "update its library"
    """How a person gets a library that works."""
    path: str = ""
    """Of the device, as libedgetpu lists it; empty where the options say enough."""

    @property
    def restart(self) -> str:
        """What helps a device that is there and does not work."""
        return f"switch its power off and on; if that is no help, {self.cure}"


def load(runtime: Runtime, accelerator: Accelerator) -> object:
    """Load its library into this process, which may block, crash or hang.

    Raises:
        DelegateError: it does not open.
    """
    try:
        return runtime.load_delegate(accelerator.library, dict(accelerator.options))
    except (OSError, ValueError, AttributeError) as err:
        # With no device the runtime's reason is empty.
        raise DelegateError(
            f"{accelerator.name}: {accelerator.library} does not open: "
            f"{first_line(err)}",
            "check that the device is there and not in use"
            if isinstance(err, ValueError)
            else accelerator.cure,
        ) from err


def refusal(said: str, accelerator: Accelerator | None) -> ModelError | DelegateError:
    """Say who is to blame for a model that does not get ready to run."""
    why = f"the runtime refuses it: {said}"
    if accelerator is None:
        return ModelError(why)
    if "unresolved custom op" in said:
        why += f": {TOO_OLD}"
        return DelegateError(f"{accelerator.name}: {why}", accelerator.cure)
    cure = f"compile the model again; if that is no help, {accelerator.cure}"
    return DelegateError(f"{accelerator.name}: {why}", cure)
