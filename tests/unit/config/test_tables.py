"""The configuration's tables: their defaults and the rules within each."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorml.config.tables import Alarm, Config, Model, Store, Web, When


def config(path: Path, store: Store) -> Config:
    return Config(path, "device", (), (), (), (), store, Web())


def test_a_models_alarm_wants_three_of_five_and_half_a_minute_of_quiet() -> None:
    alarm = Alarm(name="a", model="m")
    assert (alarm.votes, alarm.dwell_s, alarm.latch) == ((3, 5), 30.0, False)
    assert alarm.fail_safe == "on"


def test_a_contacts_alarm_is_at_once_on_and_at_once_off() -> None:
    alarm = Alarm(name="a", sensor="door", when=When(equals=1))
    assert (alarm.votes, alarm.dwell_s) == ((1, 1), 0.0)


def test_a_configured_value_replaces_the_default() -> None:
    alarm = Alarm(name="a", model="m", of=(1, 2), clear_after_s=0.0)
    assert (alarm.votes, alarm.dwell_s) == ((1, 2), 0.0)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({}, "needs either model or sensor"),
        ({"model": "m", "sensor": "s"}, "needs either model or sensor"),
        ({"sensor": "s"}, r"add \[alarm.when\]"),
        ({"model": "m", "when": When(equals=1)}, r"remove \[alarm.when\]"),
        ({"model": "m", "of": (0, 5)}, "1 <= k <= n"),
        ({"model": "m", "of": (6, 5)}, "1 <= k <= n"),
        ({"model": "m", "of": (1, 10_001)}, "impossible"),
    ],
)
def test_an_alarm_that_contradicts_itself_is_refused(rules, message) -> None:
    with pytest.raises(ValueError, match=message):
        Alarm(name="a", **rules)


def test_a_condition_needs_a_key() -> None:
    with pytest.raises(ValueError, match="give equals, above or below"):
        When()


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:8787", "127.1.2.3:80", "localhost:1", "[::1]:65535"]
)
def test_the_page_needs_no_token_for_this_machine(listen: str) -> None:
    assert Web(listen=listen).listen == listen


@pytest.mark.parametrize(
    "listen",
    [
        "0.0.0.0:8787",
        "192.168.1.5:80",
        "[::]:80",
        "pi.local:80",
        "127.0.0.1.evil.com:80",
    ],
)
def test_a_page_open_to_the_network_needs_a_token(listen: str) -> None:
    with pytest.raises(ValueError, match="add token_file"):
        Web(listen=listen)
    assert Web(listen=listen, token_file="token").listen == listen


@pytest.mark.parametrize(
    "listen",
    ["8787", ":8787", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "a:b", "a:²"],
)
def test_an_address_has_a_host_and_a_port(listen: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        Web(listen=listen)


def test_the_store_is_at_the_configured_path_or_systemds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plant.toml"
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert config(path, Store()).store_path() == Path("/var/lib/sensorml/journal.db")
    monkeypatch.setenv("STATE_DIRECTORY", "/state")
    assert config(path, Store()).store_path() == Path("/state/journal.db")
    beside = config(path, Store(path="j.db"))
    assert beside.store_path() == tmp_path / "j.db"


def test_a_model_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "models" / "m").mkdir(parents=True)
    found = config(tmp_path / "c.toml", Store()).model_folder(
        Model(name="m", path="models/m", sensor="s")
    )
    assert found == tmp_path / "models" / "m"


@pytest.mark.parametrize("device", ["usb", "usb:1", "pci", "pci:0", ":2"])
def test_a_delegates_device_is_written_as_its_library_wants_it(device: str) -> None:
    model = Model(name="m", path="m", sensor="s", delegate="edgetpu-usb", device=device)
    assert model.device == device


@pytest.mark.parametrize(
    ("delegate", "device", "message"),
    [
        ("edgetpu-usb", "usb1", 'write "usb", "usb:1"'),
        ("edgetpu-usb", "usb:", 'write "usb"'),
        ("edgetpu-usb", "", 'write "usb"'),
        ("edgetpu-usb", "/dev/apex_0", 'write "usb"'),
        ("auto", "usb:1", "name the delegate"),
        ("cpu", "usb:1", "name the delegate"),
    ],
)
def test_an_invalid_device_is_refused(delegate: str, device: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Model(name="m", path="m", sensor="s", delegate=delegate, device=device)
