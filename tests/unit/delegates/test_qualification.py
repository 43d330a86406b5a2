"""A compiled model is compared with its card and CPU file before it is opened."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from delegate import pair
from support import CARD_TEXT, card

from sensorml.delegates.checks import Rung
from sensorml.delegates.choice import Engines, open_engine
from sensorml.delegates.descriptor import candidates, delegates
from sensorml.delegates.qualification import ModelRequest, Qualification, paired
from sensorml.errors import DelegateError, ModelError
from sensorml.hardware.facts import Facts
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import parse, read
from sensorml.pipeline import model_files
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
def site(tmp_path, monkeypatch):
    """A configuration folder and an empty cache for this test."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))


def stick(tmp_path, text=STICK):
    path = tmp_path / "etc" / "delegates" / "stick.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def request(tmp_path, compiled, cpu=None, *, listed=True):
    """Write both files into a folder and return a request for an accelerator."""
    reports = []
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / CPU_FILE).write_bytes(cpu or pair.cpu_model(F))
    (folder / EDGETPU_FILE).write_bytes(compiled)
    names = [CPU_FILE, EDGETPU_FILE] if listed else [CPU_FILE]
    # A window every 2 s, because a child is slow on a busy machine.
    model_card = card(
        rate_hz=1.0, files={name: sha256(folder / name) for name in names}
    )
    engine = TfliteEngine.load(folder / CPU_FILE, model_card)
    file = read(folder / CPU_FILE)
    return ModelRequest(
        folder, model_card, engine, file, lambda *change: reports.append(change)
    )


def qualification_of(root):
    return Qualification(delegates(folders("delegates")), Facts.gather(root))


def eye(n):
    return Dense(np.eye(n, dtype=np.float32), np.zeros(n, np.float32), relu=False)


def test_a_pair_is_accepted(tmp_path):
    compiled = pair.compiled_model(F)
    assert paired(request(tmp_path, compiled), USB) == parse(compiled)


@pytest.mark.parametrize(
    ("compiled", "why"),
    [
        (pair.compiled_model(F)[:100], "damaged|cut off"),
        (pair.compiled_model(F, custom_op="other-op"), "no part for the Edge TPU"),
        (pair.cpu_model(F), "no part for the Edge TPU"),
        (pair.compiled_model(F + 1), "takes 5 values"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(tmp_path, compiled, why):
    with pytest.raises(ModelError, match=why):
        paired(request(tmp_path, compiled), USB)


def test_a_file_with_another_quantisation_is_refused(tmp_path):
    cpu = int8_model([eye(F)], [Scale.covering(-1, 1), Scale.covering(-1, 1)])
    with pytest.raises(ModelError, match=r"another input than model\.tflite"):
        paired(request(tmp_path, pair.compiled_model(F), cpu), USB)


def test_a_float_cpu_file_is_not_a_pair(tmp_path):
    cpu = float_model([eye(F)])
    with pytest.raises(ModelError, match=r"another input than model\.tflite"):
        paired(request(tmp_path, pair.compiled_model(F), cpu), USB)


def test_a_file_that_the_card_does_not_list_is_missing(tmp_path):
    with pytest.raises(ModelError, match=r"has no model_edgetpu\.tflite"):
        paired(request(tmp_path, pair.compiled_model(F), listed=False), USB)


def test_the_device_is_checked_before_the_model(tmp_path):
    stick(tmp_path)
    model = request(tmp_path, pair.cpu_model(F))
    assert qualification_of(Path("/")).judge(model, "stick").verdict.rung is Rung.DEVICE
    stick_toml = tmp_path / "etc/delegates/stick.toml"
    always = 'names = ["libc.so.6"]'
    text = STICK.replace('usb = ["ffff:0001"]', "always = true")
    stick_toml.write_text(text.replace('names = ["libdelegate.so"]', always))
    verdict, file = qualification_of(Path("/")).judge(model, "stick")
    assert file is None
    assert verdict.rung is Rung.MODEL
    assert "no part for the Edge TPU" in verdict.reason.what
    assert verdict.reason.cure == "compile it with edgetpu_compiler"


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
    return engines.open(folder, model_files.load(folder), model="m", **how), reports


@pytest.mark.parametrize("delegate", ["auto", "cpu"])
def test_without_a_device_the_cpu_is_used_and_nothing_reported(tmp_path, delegate):
    stick(tmp_path)
    engine, reports = opened(tmp_path, delegate=delegate)
    assert type(engine) is TfliteEngine
    assert not engine.degraded
    assert reports == []


def test_only_a_board_with_its_device_is_a_candidate(tmp_path):
    (folder,) = (path / "demo" for path in folders("models"))
    demo = model_files.load(folder)

    def names():
        facts = Facts.gather(tmp_path)
        shipped = delegates(folders("delegates"))
        return [each.name for each in candidates(shipped, facts, demo.files)]

    assert names() == []
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/galcore").touch()
    assert names() == []
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    compatible = tmp_path / "proc/device-tree/compatible"
    compatible.write_bytes(b"raspberrypi,4-model-b\0brcm,bcm2711\0")
    assert names() == []
    compatible.write_bytes(b"fsl,imx8mp-evk\0fsl,imx8mp\0")
    assert names() == ["vx"]


def test_a_device_that_auto_cannot_use_is_reported(tmp_path):
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


def test_a_model_without_a_usable_file_stays_degraded_on_its_fallback(tmp_path):
    stick(tmp_path, STICK.replace('usb = ["ffff:0001"]', "always = true"))
    bad = pair.compiled_model(F, custom_op="other-op")
    engine, reports = opened(tmp_path, delegate="stick", fallback="cpu", compiled=bad)
    assert (engine.delegate, engine.degraded) == ("cpu", True)
    assert reports == [("m", "refused", "", engine.why)]
    assert engine.why.startswith("stick: ")


def test_recordings_run_on_the_named_delegate_or_not_at_all(tmp_path):
    stick(tmp_path)
    opened(tmp_path)
    folder = tmp_path / "model"
    loaded = model_files.load(folder)
    assert open_engine(folder, loaded).delegate == "cpu"
    with pytest.raises(DelegateError, match="cannot run on stick"):
        open_engine(folder, loaded, delegate="stick")
    with pytest.raises(DelegateError, match="did you mean stick"):
        open_engine(folder, loaded, delegate="stik")


def plug_in(root, port, device, *, claimed=False):
    """Add a stick to a machine; return the link that marks it as in use."""
    folder = root / "sys/bus/usb/devices" / port
    files = {"idVendor": "18d1", "idProduct": "9302", "busnum": "2", "speed": "5000"}
    for name, text in (files | {"devnum": str(device)}).items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    node = root / f"dev/bus/usb/002/{device:03d}"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()
    link = folder.with_name(f"{port}:1.0") / "driver"
    link.parent.mkdir()
    if claimed:
        link.symlink_to("../usbfs")
    return link


def machine(tmp_path):
    """Return a root with the test library under the name of libedgetpu."""
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    shutil.copy(pair.build(tmp_path), root / "usr/lib/libedgetpu.so.1")
    return root


def until(engine, state, reports):
    """Score windows until the delegate is in this state."""
    x = np.zeros((1, F), np.float32)
    while not reports or reports[-1][0] != state:
        engine.infer(x)
        assert not reports or reports[-1][0] in {"opening", state}, reports


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_two_models_use_two_sticks(tmp_path, monkeypatch, capfd):
    """The model that names no stick keeps the first one."""
    root = machine(tmp_path)
    plug_in(root, "2-1", 3)
    second = plug_in(root, "2-2", 4)
    sticks = [f"/sys/bus/usb/devices/2-{port}" for port in (2, 1)]  # the newest first
    monkeypatch.setenv("DELEGATE_DEVICES", " ".join(sticks))
    model = request(tmp_path, pair.compiled_model(F))
    reports = {"any": [], "usb:1": []}
    accelerators = Engines(lambda *_: None, root).accelerators

    def opened_on(device):
        report = reports[device or "any"]
        own = model._replace(report=lambda *change: report.append(change))
        return accelerators.open_named(own, "edgetpu-usb", device, None)

    with closing(opened_on(None)) as first, closing(opened_on("usb:1")) as other:
        until(other, "accelerated", reports["usb:1"])
        assert f"opens {sticks[0]}\n" in capfd.readouterr().err
        second.symlink_to("../usbfs")  # as the kernel does for our own child
        until(first, "accelerated", reports["any"])
        assert f"opens {sticks[1]}\n" in capfd.readouterr().err
        assert {first.delegate, other.delegate} == {"edgetpu-usb"}
        assert len(accelerators._devices) == 2


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_stick_in_use_is_skipped_and_a_free_one_named(tmp_path):
    root = machine(tmp_path)
    plug_in(root, "2-1", 3, claimed=True)
    plug_in(root, "2-2", 4)
    qualification = qualification_of(root)
    state = qualification.examine("edgetpu-usb", None)
    assert (state.verdict.usable, state.verdict.device) == (True, "usb:1")
    assert state.path == "/sys/bus/usb/devices/2-2"
    assert state.usb_node == "/dev/bus/usb/002/004"
    verdict = qualification.examine("edgetpu-usb", "usb:0").verdict
    assert verdict.rung is Rung.OWNER
    assert verdict.reason.cure.endswith('or name a free one: device = "usb:1"')
    plug_in(root, "2-3", 5)
    shutil.rmtree(root / "sys/bus/usb/devices/2-2")
    assert qualification.examine("edgetpu-usb", None).path == "/sys/bus/usb/devices/2-3"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_two_models_on_one_device_and_a_third_on_another(tmp_path, monkeypatch):
    """Each device name is one device, the first one also without a name."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(pair.build(tmp_path).parent))
    text = STICK.replace('usb = ["ffff:0001"]', "always = true")
    stick(tmp_path, text.replace("cure", 'options = { device = "a" }\ncure'))
    model = request(tmp_path, pair.compiled_model(F))
    accelerators = Engines(lambda *_: None).accelerators
    engines = [
        accelerators.open_named(model, "stick", device, None)
        for device in (None, "a", "b")
    ]
    devices = list(accelerators._devices)
    for engine in engines:
        engine.close()
    assert devices == [("stick", "a"), ("stick", "b")]
