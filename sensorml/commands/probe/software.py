"""Which Python this is and which packages lie beside it, without importing them."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sensorml.delegates import isolated as outside

_PYCORAL = Path(__file__).with_name("pycoral_main.py")
_PACKAGES = ("numpy", "ai-edge-litert", "tflite-runtime", "pycoral")


@dataclass(frozen=True, slots=True)
class Software:
    """The interpreter and the packages that matter to a delegate."""

    python: str
    packages: dict[str, str]
    """Name to version, of those that are installed."""
    pycoral_is_google: bool = False
    """The package of that name on PyPI is an unrelated tool for maps."""
    pycoral_sees: tuple[str, ...] = ()
    """Edge TPUs, if Google's pycoral is there; nothing needs it."""

    @classmethod
    def gather(cls) -> Software:
        packages = {name: v for name in _PACKAGES if (v := _version(name))}
        googles = _has_edgetpu("pycoral")
        sees = _pycoral_sees() if googles else ()
        return cls(platform.python_version(), packages, googles, sees)

    def warnings(self, machine: str) -> list[str]:
        """Say which packages do not go together, each with its cure."""
        said = []
        numpy = self.packages.get("numpy", "")
        if "tflite-runtime" in self.packages and numpy.split(".")[0] not in {"", "1"}:
            said.append(
                f"tflite-runtime was built for numpy 1 and dies with numpy {numpy}: "
                'run pip install "numpy<2"'
            )
        if "pycoral" in self.packages and not self.pycoral_is_google:
            said.append(
                "the installed pycoral is not Google's but a tool for maps: "
                "run pip uninstall pycoral (sensorml does not need it)"
            )
        newer = tuple(map(int, self.python.split(".")[:2])) >= (3, 12)
        if machine in {"armv7l", "armv6l"} and newer:
            said.append(
                f"no TFLite runtime is built for 32-bit Arm and Python {self.python}: "
                "use a 64-bit system, or Python 3.11"
            )
        return said


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _pycoral_sees() -> tuple[str, ...]:
    said = outside.ask(_PYCORAL)
    return tuple(said.text.splitlines()) if said.why_not is None else (said.why_not,)


def _has_edgetpu(package: str) -> bool:
    try:
        where = metadata.distribution(package).locate_file("pycoral/utils/edgetpu.py")
    except metadata.PackageNotFoundError:
        return False
    return Path(str(where)).exists()
