"""A compiled model is held against its card and its CPU file before it is opened."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from delegate import pair
from support import CARD_TEXT, card

from sensorml.delegates.checks import Rung
from sensorml.delegates.choice import Engines, open_engine
from sensorml.delegates.descriptor import delegates
from sensorml.delegates.qualification import Ladder, Wanted, paired
from sensorml.errors import DelegateError, ModelError
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import parse, read
from sensorml.pipeline import model_files as cards
from sensorml.pipeline.model_card import CPU_FILE, EDGETPU_FILE
from sensorml.pipeline.model_files import sha256
from sensorml.resources import folders
from sensorml.training.tflite_writer import Dense, Scale, float_model, int8_model

F = 4
USB = delegates(folders("delegates", site=Path("/nonexistent")))["edgetpu-usb"]
STICK = """
title = "A library for tests"
tried = false
[match]
usb = ["ffff:0001"]
[library]
names = ["libdelegate.so"]
cure = "build it"
[model]
file = "model_edgetpu.tflite"
dtypes = ["int8"]
"""


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A site of its own, without a cache."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))


def stick(tmp_path, text=STICK):
    path = tmp_path / "etc" / "delegates" / "stick.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def wanted(tmp_path, compiled, cpu=None, *, listed=True):
    """Write both files into a folder and say what is wanted of them."""
    reports = []
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / CPU_FILE).write_bytes(cpu or pair.cpu_model(F))
    (folder / EDGETPU_FILE).write_bytes(compiled)
    names = [CPU_FILE, EDGETPU_FILE] if listed else [CPU_FILE]
    # A window in 2 s: on a busy machine a child takes its time.
    whole = card(rate_hz=1.0, files={name: sha256(folder / name) for name in names})
    engine = TfliteEngine.load(folder / CPU_FILE, whole)
    file = read(folder / CPU_FILE)
    return Wanted(folder, whole, engine, file, lambda *change: reports.append(change))


def eye(n):
    return Dense(np.eye(n, dtype=np.float32), np.zeros(n, np.float32), relu=False)


def test_a_pair_is_taken(tmp_path):
    compiled = pair.compiled_model(F)
    assert paired(wanted(tmp_path, compiled), USB) == parse(compiled)


@pytest.mark.parametrize(
    ("compiled", "why"),
    [
        (pair.compiled_model(F)[:100], "damaged|cut off"),
        (pair.compiled_model(F, custom_op="other-op"), "nothing for the Edge TPU"),
        (pair.cpu_model(F), "nothing for the Edge TPU"),
        (pair.compiled_model(F + 1), "takes 5 values"),
    ],
)
def test_another_file_is_refused(tmp_path, compiled, why):
    with pytest.raises(ModelError, match=why):
        paired(wanted(tmp_path, compiled), USB)


def test_a_file_with_other_numbers_than_the_cpus_is_refused(tmp_path):
    cpu = int8_model([eye(F)], [Scale.covering(-1, 1), Scale.covering(-1, 1)])
    with pytest.raises(ModelError, match=r"another input than model\.tflite"):
        paired(wanted(tmp_path, pair.compiled_model(F), cpu), USB)


def test_a_float_cpu_file_makes_no_pair(tmp_path):
    cpu = float_model([eye(F)])
    with pytest.raises(ModelError, match=r"another input than model\.tflite"):
        paired(wanted(tmp_path, pair.compiled_model(F), cpu), USB)


def test_a_file_that_the_card_does_not_list_is_none(tmp_path):
    with pytest.raises(ModelError, match=r"has no model_edgetpu\.tflite"):
        paired(wanted(tmp_path, pair.compiled_model(F), listed=False), USB)


def test_a_model_is_the_last_rung_and_a_device_comes_first(tmp_path):
    stick(tmp_path)
    model = wanted(tmp_path, pair.cpu_model(F))
    assert Ladder(Path("/")).judge(model, "stick").verdict.rung is Rung.DEVICE
    stick_toml = tmp_path / "etc/delegates/stick.toml"
    always = 'names = ["libc.so.6"]'
    text = STICK.replace('usb = ["ffff:0001"]', "always = true")
    stick_toml.write_text(text.replace('names = ["libdelegate.so"]', always))
    verdict, file = Ladder(Path("/")).judge(model, "stick")
    assert file is None
    assert verdict.rung is Rung.MODEL
    assert "nothing for the Edge TPU" in verdict.why_not
    assert verdict.cure == "compile it with edgetpu_compiler"


def opened(tmp_path, **how):
    """Open a model as the service does; return the engine and what was reported."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / CPU_FILE).write_bytes(pair.cpu_model(F))
    (folder / EDGETPU_FILE).write_bytes(how.pop("compiled", pair.compiled_model(F)))
    text = CARD_TEXT.replace("{sha256}", sha256(folder / CPU_FILE))
    text += f'"{EDGETPU_FILE}" = "{sha256(folder / EDGETPU_FILE)}"\n'
    (folder / "model.toml").write_text(text)
    reports = []
    engines = Engines(lambda *change: reports.append(change))
    return engines.open(folder, cards.load(folder), model="m", **how), reports


@pytest.mark.parametrize("delegate", ["auto", "cpu"])
def test_without_a_device_it_is_the_cpu_and_nothing_to_tell(tmp_path, delegate):
    stick(tmp_path)
    engine, reports = opened(tmp_path, delegate=delegate)
    assert type(engine) is TfliteEngine
    assert not engine.degraded
    assert reports == []


def test_a_start_looks_closer_only_where_a_board_and_its_device_may_be(
    tmp_path, monkeypatch
):
    def looked(_root):
        raise DelegateError("looked")

    monkeypatch.setattr("sensorml.delegates.qualification.Ladder", looked)
    (folder,) = (path / "demo" for path in folders("models"))

    def start():
        engines = Engines(lambda *_: None, root=tmp_path)
        engines.open(folder, cards.load(folder), model="m").close()

    start()
    (tmp_path / "dev/dri").mkdir(parents=True)
    (tmp_path / "dev/dri/renderD128").touch()
    (tmp_path / "dev/galcore").touch()
    start()
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    compatible = tmp_path / "proc/device-tree/compatible"
    compatible.write_bytes(b"raspberrypi,4-model-b\0brcm,bcm2711\0")
    start()
    compatible.write_bytes(b"fsl,imx8mp-evk\0fsl,imx8mp\0")
    with pytest.raises(DelegateError, match="looked"):
        start()


def test_a_device_that_auto_cannot_use_is_told_of(tmp_path):
    stick(tmp_path, STICK.replace('usb = ["ffff:0001"]', "always = true"))
    engine, reports = opened(tmp_path)
    assert (engine.delegate, engine.degraded) == ("cpu", False)
    [(model, state, _, why)] = reports
    assert (model, state) == ("m", "refused")
    assert why == "stick: the library libdelegate.so is not installed: build it"


def test_a_named_delegate_without_a_device_is_an_error_with_every_reason(tmp_path):
    stick(tmp_path)
    with pytest.raises(DelegateError) as caught:
        opened(tmp_path, delegate="stick")
    first, *lines = str(caught.value).splitlines()
    assert "cannot run on stick" in first
    shipped = delegates(folders("delegates", site=Path("/nonexistent")))
    assert {line.split()[0] for line in lines} == {*shipped, "stick"}
    assert "no USB device ffff:0001" in lines[-1]


def test_a_model_that_can_never_run_there_stays_degraded_on_its_fallback(tmp_path):
    stick(tmp_path, STICK.replace('usb = ["ffff:0001"]', "always = true"))
    bad = pair.compiled_model(F, custom_op="other-op")
    engine, reports = opened(tmp_path, delegate="stick", fallback="cpu", compiled=bad)
    assert (engine.delegate, engine.degraded) == ("cpu", True)
    assert reports == [("m", "refused", "", engine.why)]
    assert engine.why.startswith("stick: ")


def test_recordings_run_on_what_was_named_or_not_at_all(tmp_path):
    stick(tmp_path)
    opened(tmp_path)
    folder = tmp_path / "model"
    whole = cards.load(folder)
    assert open_engine(folder, whole).delegate == "cpu"
    with pytest.raises(DelegateError, match="cannot run on stick"):
        open_engine(folder, whole, delegate="stick")
    with pytest.raises(DelegateError, match="did you mean stick"):
        open_engine(folder, whole, delegate="stik")


def plug_in(root, port, device, *, claimed=False):
    """Put a stick into a machine; return the link that says that it is in use."""
    at = root / "sys/bus/usb/devices" / port
    files = {"idVendor": "18d1", "idProduct": "9302", "busnum": "2", "speed": "5000"}
    for name, text in (files | {"devnum": str(device)}).items():
        at.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(f"{text}\n")
    node = root / f"dev/bus/usb/002/{device:03d}"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()
    link = at.with_name(f"{port}:1.0") / "driver"
    link.parent.mkdir()
    if claimed:
        link.symlink_to("../usbfs")
    return link


def machine(tmp_path):
    """Make one with the library, the real one of the tests under Google's name."""
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    shutil.copy(pair.build(tmp_path), root / "usr/lib/libedgetpu.so.1")
    return root


def until(engine, state, reports):
    """Score windows until the delegate has come to this state."""
    x = np.zeros((1, F), np.float32)
    while not reports or reports[-1][0] != state:
        engine.infer(x)
        assert not reports or reports[-1][0] in {"opening", state}, reports


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_two_sticks_two_models_and_neither_is_in_the_others_way(
    tmp_path, monkeypatch, capfd
):
    """The one that names none keeps the first, when the second is in use by then."""
    root = machine(tmp_path)
    plug_in(root, "2-1", 3)
    second = plug_in(root, "2-2", 4)
    sticks = [f"/sys/bus/usb/devices/2-{port}" for port in (2, 1)]  # the newest first
    monkeypatch.setenv("DELEGATE_DEVICES", " ".join(sticks))
    model = wanted(tmp_path, pair.compiled_model(F))
    reports = {"any": [], "usb:1": []}
    accelerators = Engines(lambda *_: None, root).accelerators

    def named(device):
        report = reports[device or "any"]
        wants = model._replace(report=lambda *change: report.append(change))
        return accelerators.named(wants, "edgetpu-usb", device, None)

    with closing(named(None)) as first, closing(named("usb:1")) as other:
        until(other, "accelerated", reports["usb:1"])
        assert f"opens {sticks[0]}\n" in capfd.readouterr().err
        second.symlink_to("../usbfs")  # as the kernel says of our own child
        until(first, "accelerated", reports["any"])
        assert f"opens {sticks[1]}\n" in capfd.readouterr().err
        assert {first.delegate, other.delegate} == {"edgetpu-usb"}
        assert len(accelerators._devices) == 2


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_stick_in_use_is_left_alone_and_a_free_one_is_named(tmp_path):
    root = machine(tmp_path)
    plug_in(root, "2-1", 3, claimed=True)
    plug_in(root, "2-2", 4)
    ladder = Ladder(root)
    sight = ladder.look("edgetpu-usb", None)
    assert (sight.verdict.usable, sight.verdict.device) == (True, "usb:1")
    assert sight.path == "/sys/bus/usb/devices/2-2"
    assert sight.stick == "/dev/bus/usb/002/004"
    verdict = ladder.look("edgetpu-usb", "usb:0").verdict
    assert verdict.rung is Rung.OWNER
    assert verdict.cure.endswith('or name a free one: device = "usb:1"')
    plug_in(root, "2-3", 5)
    shutil.rmtree(root / "sys/bus/usb/devices/2-2")
    assert ladder.look("edgetpu-usb", None).path == "/sys/bus/usb/devices/2-3"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_two_models_on_one_device_and_a_third_on_another(tmp_path, monkeypatch):
    """One place for each model, one device for each spelling of it."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(pair.build(tmp_path).parent))
    text = STICK.replace('usb = ["ffff:0001"]', "always = true")
    stick(tmp_path, text.replace("cure", 'options = { device = "a" }\ncure'))
    model = wanted(tmp_path, pair.compiled_model(F))
    accelerators = Engines(lambda *_: None).accelerators
    engines = [
        accelerators.named(model, "stick", device, None) for device in (None, "a", "b")
    ]
    devices = list(accelerators._devices)
    for engine in engines:
        engine.close()
    assert devices == [("stick", "a"), ("stick", "b")]
