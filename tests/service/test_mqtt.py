"""A topic of a real broker, mosquitto, as a sensor."""

import time
from contextlib import ExitStack

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from sensorml.drivers.mqtt import Driver, Options
from sensorml.errors import BusError

PATIENCE_S = 20


@pytest.fixture
def start(servers, tmp_path_factory):
    """Start a broker that is stopped in the end."""
    with ExitStack() as stack:

        def started(**options):
            broker = servers.Mosquitto(tmp_path_factory.mktemp("mosquitto"), **options)
            stack.callback(broker.stop)
            broker.start()
            return broker

        yield started


@pytest.fixture
def mosquitto(start):
    """A broker that everybody may talk to."""
    return start()


@pytest.fixture
def send():
    """Publish to a broker, and wait until it has it."""

    def publish(broker, payload, *, retain=False, **login):
        client = Client(CallbackAPIVersion.VERSION2)
        if "password" in login:
            client.username_pw_set(**login)
        elif login:
            client.tls_set(**login)
        client.connect("127.0.0.1", broker.port)
        message = client.publish("plant/pump", payload, qos=1, retain=retain)
        while not message.is_published():
            assert client.loop(0.1) == 0
        client.disconnect()

    return publish


@pytest.fixture
def driver():
    """Make a driver that is stopped in the end."""
    made = []

    def make(broker, **options):
        made.append(Driver(Options(topic="plant/pump", port=broker.port, **options)))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.stop()


def until(driver, good):
    """Read until `good` says so of a block or an error; return that."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            found = driver.read()
        except BusError as err:
            found = str(err)
        if found is not None and good(found):
            return found
        time.sleep(0.01)
    raise AssertionError("nothing came")


def first(send, driver, broker, payload, **login):
    """Send until the subscription is there and something comes of it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        send(broker, payload, **login)
        time.sleep(0.02)
        if (block := driver.read()) is not None:
            return block
    raise AssertionError("nothing came")


def test_messages_are_rows(mosquitto, send, driver):
    made = driver(mosquitto, fields=("t", "h"), rate_hz=100.0)
    block = first(send, made, mosquitto, b'{"t": 21.5, "h": 40}')
    assert block.samples[0].tolist() == [21.5, 40.0]
    send(mosquitto, b'[{"t": 1, "h": 2}, {"t": 3, "h": 4}]')
    block = until(made, lambda b: b.samples[-1, 0] == 3.0)
    assert block.samples[-2:].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert 0 <= block.age_ns < PATIENCE_S * 1e9


def test_what_the_broker_has_kept_is_no_row(mosquitto, send, driver):
    send(mosquitto, b"1", retain=True)
    try:
        made = driver(mosquitto, rate_hz=100.0)
        block = first(send, made, mosquitto, b"2")
        assert 1.0 not in block.samples
    finally:
        send(mosquitto, b"", retain=True)


def test_no_broker_is_a_bus_error(servers, driver):
    class Nobody:
        port = servers.free_port()

    why = until(driver(Nobody), lambda found: True)
    assert f"127.0.0.1:{Nobody.port}: no connection (Connection refused)" in why


def test_a_broker_that_stops_is_a_bus_error_and_a_start_finds_it_again(
    mosquitto, send, driver
):
    made = driver(mosquitto, rate_hz=100.0)
    first(send, made, mosquitto, b"1")
    mosquitto.stop()
    why = until(made, lambda found: isinstance(found, str))
    assert "the connection" in why
    made.stop()
    mosquitto.start()
    made.start()
    assert first(send, made, mosquitto, b"2").samples[0].tolist() == [2.0]


def test_a_user_with_the_password_is_let_in_and_another_is_not(
    start, send, driver, tmp_path
):
    login = {"username": "pump", "password": "secret"}
    broker = start(users={"pump": "secret"})
    file = tmp_path / "password"
    file.write_text("secret\n")
    made = driver(broker, username="pump", password_file=str(file), rate_hz=100.0)
    first(send, made, broker, b"1", **login)
    file.write_text("wrong\n")
    made = driver(broker, username="pump", password_file=str(file))
    why = until(made, lambda found: isinstance(found, str))
    assert "check username and password_file" in why
    with pytest.raises(BusError, match="password_file: cannot be read"):
        driver(broker, username="pump", password_file=str(tmp_path / "none"))


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_certificate_is_believed_when_its_authority_is_named(start, send, driver):
    broker = start(tls=True)
    ca = str(broker.ca)
    made = driver(broker, ca_file=ca, rate_hz=100.0)
    assert len(first(send, made, broker, b"1", ca_certs=ca).samples)
    made = driver(broker, tls=True)
    why = until(made, lambda found: isinstance(found, str))
    assert "certificate verify failed" in why
    with pytest.raises(BusError, match="correct ca_file"):
        driver(broker, ca_file=ca + ".not")
