"""The mqtt driver with a topic of a real broker, mosquitto."""

import resource
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from sensorml.drivers.mqtt import Driver, Options
from sensorml.errors import BusError

TIMEOUT_S = 20


@pytest.fixture
def start_broker(servers, tmp_path_factory):
    """A function that starts a broker, which is stopped after the test."""
    with ExitStack() as stack:

        def start(**options):
            broker = servers.Mosquitto(tmp_path_factory.mktemp("mosquitto"), **options)
            stack.callback(broker.stop)
            broker.start()
            return broker

        yield start


@pytest.fixture
def mosquitto(start_broker):
    """A broker without authentication."""
    return start_broker()


@pytest.fixture
def send():
    """A function that publishes a message and waits until the broker has it."""

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
def start_driver():
    """A function that starts a driver, which is stopped after the test."""
    drivers = []

    def start(broker, **options):
        driver = Driver(Options(topic="plant/pump", port=broker.port, **options))
        drivers.append(driver)
        driver.start()
        return driver

    yield start
    for driver in drivers:
        driver.stop()


def read_until(driver, condition):
    """Read until a block, or the text of an error, meets a condition; return it."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            result = driver.read()
        except BusError as err:
            result = str(err)
        if result is not None and condition(result):
            return result
        time.sleep(0.01)
    raise AssertionError(f"no such result in {TIMEOUT_S} s")


def first_block(send, driver, broker, payload, **login):
    """Send until the driver is subscribed and returns a block."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        send(broker, payload, **login)
        time.sleep(0.02)
        if (block := driver.read()) is not None:
            return block
    raise AssertionError(f"no block in {TIMEOUT_S} s")


def test_a_message_is_one_or_more_rows(mosquitto, send, start_driver):
    driver = start_driver(mosquitto, fields=("t", "h"), rate_hz=100.0)
    block = first_block(send, driver, mosquitto, b'{"t": 21.5, "h": 40}')
    assert block.samples[0].tolist() == [21.5, 40.0]
    send(mosquitto, b'[{"t": 1, "h": 2}, {"t": 3, "h": 4}]')
    block = read_until(driver, lambda b: b.samples[-1, 0] == 3.0)
    assert block.samples[-2:].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert 0 <= block.age_ns < TIMEOUT_S * 1e9


def test_a_retained_message_is_no_row(mosquitto, send, start_driver):
    send(mosquitto, b"1", retain=True)
    try:
        driver = start_driver(mosquitto, rate_hz=100.0)
        block = first_block(send, driver, mosquitto, b"2")
        assert 1.0 not in block.samples
    finally:
        send(mosquitto, b"", retain=True)


def test_an_address_without_a_broker_is_a_bus_error(servers, start_driver):
    class NoBroker:
        port = servers.free_port()

    error = read_until(start_driver(NoBroker), lambda _: True)
    assert f"127.0.0.1:{NoBroker.port}: no connection (Connection refused)" in error


def test_a_stopped_broker_is_a_bus_error_until_the_next_start(
    mosquitto, send, start_driver
):
    driver = start_driver(mosquitto, rate_hz=100.0)
    first_block(send, driver, mosquitto, b"1")
    mosquitto.stop()
    error = read_until(driver, lambda result: isinstance(result, str))
    assert "the connection" in error
    driver.stop()
    mosquitto.start()
    driver.start()
    assert first_block(send, driver, mosquitto, b"2").samples[0].tolist() == [2.0]


def test_only_the_right_password_connects(start_broker, send, start_driver, tmp_path):
    login = {"username": "pump", "password": "secret"}
    broker = start_broker(users={"pump": "secret"})
    file = tmp_path / "password"
    file.write_text("secret\n")
    driver = start_driver(
        broker, username="pump", password_file=str(file), rate_hz=100.0
    )
    first_block(send, driver, broker, b"1", **login)
    file.write_text("wrong\n")
    driver = start_driver(broker, username="pump", password_file=str(file))
    error = read_until(driver, lambda result: isinstance(result, str))
    assert "check username and password_file" in error
    with pytest.raises(BusError, match="password_file: no such file"):
        start_driver(broker, username="pump", password_file=str(tmp_path / "none"))


# paho does not close the socket of a failed handshake.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_certificate_is_accepted_with_the_ca_file_of_its_authority(
    start_broker, send, start_driver
):
    broker = start_broker(tls=True)
    ca = str(broker.ca)
    driver = start_driver(broker, ca_file=ca, rate_hz=100.0)
    assert len(first_block(send, driver, broker, b"1", ca_certs=ca).samples)
    driver = start_driver(broker, tls=True)
    error = read_until(driver, lambda result: isinstance(result, str))
    assert "certificate verify failed" in error
    with pytest.raises(BusError, match="correct ca_file"):
        start_driver(broker, ca_file=ca + ".not")


class Flood:
    """A client that publishes without a pause until it is stopped."""

    def __init__(self, broker, payload):
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.max_queued_messages_set(1000)
        self._client.connect("127.0.0.1", broker.port)
        self._payload = payload
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            for _ in range(100):
                self._client.publish("plant/pump", self._payload)
            self._client.loop(0.0)
        self._client.disconnect()

    def stop(self):
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("payload", [b"1", b"[" + b"[1]," * 15_000 + b"[1]]"])
def test_a_flood_is_a_failure_that_names_both_rates_and_ends_the_connection(
    mosquitto, start_driver, payload
):
    driver = start_driver(mosquitto, channels=["x"], rate_hz=2.0)
    flood = Flood(mosquitto, payload)
    try:
        why = read_until(driver, lambda result: "rows a second" in str(result))
    finally:
        flood.stop()
    assert f"127.0.0.1:{mosquitto.port}: 'plant/pump' sends " in why
    assert why.endswith("rate_hz says 2: correct rate_hz, or let it send less")
    begun = time.monotonic()
    driver.stop()
    assert time.monotonic() - begun < 2


HUGE = """
import sys
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
client = Client(CallbackAPIVersion.VERSION2)
client.connect("127.0.0.1", int(sys.argv[1]))
message = client.publish("plant/pump", bytes(200_000_000), qos=1)
while not message.is_published():
    client.loop(0.1)
"""


def test_a_huge_message_is_refused_before_it_is_in_memory(
    mosquitto, start_driver, send
):
    driver = start_driver(mosquitto)
    first_block(send, driver, mosquitto, b"1")
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # The sender is a process of its own, because it needs the memory.
    subprocess.run([sys.executable, "-c", HUGE, str(mosquitto.port)], check=True)
    why = read_until(driver, lambda result: "bytes" in str(result))
    assert "'plant/pump' sends a message of 2000000" in why
    assert why.endswith("a row has at most 65536: correct topic, or let it send less")
    after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after_kb - before_kb < 50_000


def test_a_message_that_is_longer_than_a_row_is_refused(mosquitto, start_driver, send):
    driver = start_driver(mosquitto)
    first_block(send, driver, mosquitto, b"1")
    send(mosquitto, b"1" * 70_000)
    why = read_until(driver, lambda result: "bytes" in str(result))
    assert "sends a message of 70000 bytes" in why
