"""Drivers, sinks and features are files of ours, or entry points of packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import sensorml
from sensorml import plugins
from sensorml.config import loading
from sensorml.errors import ConfigError, PluginError
from sensorml.pipeline.extractor import FeatureSpec

FOLDERS = {"drivers": "drivers", "sinks": "sinks", "features": "pipeline/features"}
DRIVER = """
from sensorml.interfaces import SensorOptions
from sensorml.types import Channel


class Options(SensorOptions, frozen=True, kw_only=True):
    thread = "acme"


def channels(options):
    return (Channel("a", ""),)


class Driver:
    def __init__(self, options):
        self.period_s = 1.0
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a package with one module and entry points."""

    def package(name: str, source: str, **groups: str) -> Path:
        folder = tmp_path / name
        about = folder / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / f"{name}_module.py").write_text(source)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        lines = [
            f"[sensorml.{group}]\n{entry} = {name}_module\n"
            for group, entry in groups.items()
        ]
        (about / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, f"{name}_module", raising=False)
        return folder

    return package


@pytest.mark.parametrize("group", FOLDERS)
def test_the_names_are_the_files_of_the_folder(group: plugins.Group) -> None:
    folder = Path(sensorml.__file__).parent / FOLDERS[group]
    files = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert plugins.names(group) == sorted(files)


@pytest.mark.parametrize("group", FOLDERS)
def test_each_file_offers_the_names_of_its_group(group: plugins.Group) -> None:
    package = f"sensorml.{FOLDERS[group].replace('/', '.')}"
    for name in plugins.names(group):
        module = plugins.load(group, name)
        assert module.__name__ == f"{package}.{name}"
        assert all(hasattr(module, each) for each in plugins._RULES[group].offers)


def test_listing_and_finding_import_no_plugin_and_no_metadata_of_packages() -> None:
    program = (
        "import sys; from sensorml import plugins; plugins._own('sinks'); "
        "plugins.load('drivers', 'lm75'); "
        "print([m for m in sys.modules if m.startswith(('sensorml.drivers.', "
        "'sensorml.sinks.', 'influxdb', 'gpiozero', 'importlib.metadata'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['sensorml.drivers.lm75']"


def test_a_driver_of_a_package_is_listed_and_imported(install: Install) -> None:
    install("acme", DRIVER, drivers="thermo")
    assert "thermo" in plugins.names("drivers")
    assert plugins.driver("thermo").__name__ == "acme_module"
    assert "thermo" not in plugins.names("sinks")


def test_a_driver_whose_options_are_no_sensor_options_is_refused(
    install: Install,
) -> None:
    install(
        "acme",
        DRIVER.replace("SensorOptions", "Table").replace("interfaces", "schema"),
        drivers="thermo",
    )
    with pytest.raises(PluginError, match="do not inherit from SensorOptions: correct"):
        plugins.driver("thermo")


def test_a_file_of_ours_wins(install: Install) -> None:
    install("acme", DRIVER, drivers="lm75")
    assert plugins.driver("lm75").__name__ == "sensorml.drivers.lm75"


def test_an_unknown_name_is_answered_with_the_nearest(install: Install) -> None:
    install("acme", DRIVER, drivers="thermo")
    with pytest.raises(PluginError) as refused:
        plugins.driver("termo")
    assert str(refused.value) == (
        "there is no sensor driver 'termo': did you mean thermo?"
    )


def test_a_name_that_two_packages_offer_is_refused_with_both(install: Install) -> None:
    install("acme", DRIVER, drivers="thermo")
    install("other", DRIVER, drivers="thermo")
    with pytest.raises(PluginError) as refused:
        plugins.driver("thermo")
    assert str(refused.value) == (
        "'thermo' is offered by the packages acme and other: uninstall all but one"
    )


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named"),
        ("1 +", "SyntaxError: "),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("Options = 1", "acme_module lacks channels, Driver: correct that package"),
    ],
)
def test_a_broken_package_is_a_problem_of_the_configuration_in_words(
    install: Install, tmp_path: Path, source: str, why: str
) -> None:
    install("acme", source, drivers="thermo")
    file = tmp_path / "c.toml"
    file.write_text('[[sensor]]\nname = "a"\ndriver = "thermo"\n')
    with pytest.raises(ConfigError) as refused:
        loading.load(file)
    [problem] = refused.value.problems
    assert problem.key == "sensor[0].driver"
    assert "'thermo' of the package acme " in problem.what
    assert why in str(problem)


def test_a_feature_whose_tag_is_another_name_is_refused(install: Install) -> None:
    source = (
        "from sensorml.pipeline.extractor import FeatureSpec\n"
        "class Features(FeatureSpec, frozen=True, kw_only=True, tag='a'): pass\n"
    )
    install("acme", source, features="b")
    with pytest.raises(PluginError, match="the tag is 'a' and the name is 'b'"):
        FeatureSpec.of_kind("b")


def test_features_that_are_no_class_are_refused(install: Install) -> None:
    install("acme", "Features = 1", features="b")
    with pytest.raises(PluginError, match="do not inherit from FeatureSpec"):
        FeatureSpec.of_kind("b")


FEATURE = """
import numpy as np

from sensorml.pipeline.extractor import Computation, FeatureSpec, Signal


class Features(FeatureSpec, frozen=True, kw_only=True, tag="level"):
    power: int = 1

    def prepare(self, signal: Signal) -> Computation:
        def compute(windows, means):
            return np.abs(windows).mean(axis=-1) ** self.power

        return Computation(signal.channels, compute, signal.channels)
"""

SINK = """
from sensorml.interfaces import Delivered
from sensorml.schema import Table


class Options(Table, frozen=True, kw_only=True):
    path: str


class Sink:
    def __init__(self, options, tags):
        self.options = options

    def send(self, kind, rows):
        return Delivered()

    def close(self):
        pass
"""


def test_a_feature_of_a_package_is_computed(install: Install) -> None:
    install("acme", FEATURE, features="level")
    recording = sensorml.from_array([[1], [-1], [1], [-1]], rate_hz=2.0)
    assert sensorml.features(recording, "level", window=4).tolist() == [[1.0]]
    with pytest.raises(ConfigError, match=r"level\.power: is 'x'"):
        sensorml.features(recording, "level", window=4, power="x")


def test_a_sink_of_a_package_is_configured(install: Install, tmp_path: Path) -> None:
    install("acme", SINK, sinks="copy")
    file = tmp_path / "c.toml"
    sensor = '[[sensor]]\nname = "a"\ndriver = "thermal"\n'
    file.write_text(sensor + '[[sink]]\ndriver = "copy"\npath = "out"\n')
    [sink] = loading.load(file).sinks
    assert sink.options.path == str(tmp_path / "out")
