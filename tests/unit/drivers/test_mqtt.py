"""A topic as a sensor, without a broker; with a real one in service/test_mqtt.py."""

import logging

import msgspec
import pytest
from support import SECOND, Clock

from sensorml.buses import mqtt
from sensorml.buses.mqtt import Message
from sensorml.drivers.mqtt import Driver, Options, channels
from sensorml.errors import BusError
from sensorml.types import Channel

UTC_NS = 1_700_000_000 * SECOND


class Broker:
    """A subscription: messages, until it has failed."""

    def __init__(self, options, clock):
        self.clock = clock
        self.waiting = []
        self.failure = ""

    def send(self, *payloads):
        self.waiting += [Message(self.clock(), payload) for payload in payloads]

    def take(self):
        taken, self.waiting = self.waiting, []
        if self.failure and not taken:
            raise BusError(self.failure)
        return taken

    def close(self):
        self.failure = "closed"


@pytest.fixture
def start_driver(monkeypatch):
    monkeypatch.setattr(mqtt, "Subscription", Broker)

    def start(**options):
        clock = Clock()
        driver = Driver(
            Options(topic="pump", **options),
            clock,
            lambda: UTC_NS + clock() - 1000 * SECOND,
        )
        driver.start()
        return driver, driver._subscription, clock

    return start


def test_a_message_is_a_row_at_the_time_when_it_came(start_driver):
    driver, broker, clock = start_driver(channels=("x", "y"), unit="g")
    came_ns = clock()
    broker.send(b"1, 2")
    clock.advance(0.1)
    block = driver.read()
    assert block.samples.tolist() == [[1.0, 2.0]]
    assert (block.start_ns, block.age_ns) == (came_ns, SECOND // 10)
    assert driver.read() is None


def test_a_message_may_be_many_rows_of_which_the_last_is_new(start_driver):
    driver, broker, clock = start_driver(channels=("x",), rate_hz=10.0)
    broker.send(b"[[1], [2], [3]]")
    block = driver.read()
    assert block.samples.tolist() == [[1.0], [2.0], [3.0]]
    assert block.start_ns == clock() - SECOND // 5


def test_a_bad_message_counts_as_missed_and_is_logged_once(start_driver, caplog):
    driver, broker, clock = start_driver(fields=("v",))
    missed = 0
    for payload in (b'{"v": 1}', b"offline", b'{"w": 1}', b'{"v": 2}'):
        broker.send(payload)
        with caplog.at_level(logging.WARNING):
            block = driver.read()
        if block is not None:
            missed += block.missed
        clock.advance(1)
    assert (missed, driver.bad) == (2, 2)
    [record] = caplog.records
    assert "127.0.0.1:1883 pump: a message is no row: 'offline'" in record.getMessage()


def test_the_senders_time_is_the_rows_time_unless_it_is_in_the_future(start_driver):
    driver, broker, clock = start_driver(fields=("v",), time_field="t")
    broker.send(b'{"v": 1, "t": 1699999997.5}')
    block = driver.read()
    assert block.start_ns == clock() - 5 * SECOND // 2
    assert block.age_ns == 5 * SECOND // 2
    driver, broker, clock = start_driver(fields=("v",), time_field="t")
    broker.send(b'{"v": 1, "t": 1700000060}')
    assert driver.read().start_ns == clock()


def test_a_broker_that_goes_away_is_a_bus_error_behind_its_last_rows(start_driver):
    driver, broker, _ = start_driver()
    broker.send(b"4")
    broker.failure = "gone"
    assert driver.read().samples.tolist() == [[4.0]]
    with pytest.raises(BusError, match="gone"):
        driver.read()
    driver.stop()
    with pytest.raises(BusError, match="not started"):
        driver.read()


def test_the_port_is_the_usual_one_for_tls_or_without():
    assert Options(topic="a").broker == "127.0.0.1:1883"
    assert Options(topic="a", tls=True).broker == "127.0.0.1:8883"
    assert Options(topic="a", ca_file="ca.pem").broker == "127.0.0.1:8883"
    assert Options(topic="a", tls=True, port=1884).thread == "mqtt-127.0.0.1:1884"


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"topic": ""},
        {"topic": "a/+/b"},
        {"topic": "a/#"},
        {"topic": "a", "qos": 2},
        {"topic": "a", "port": 0},
        {"topic": "a", "time_field": "t"},
        {"topic": "a", "password_file": "p"},
        {"topic": "a", "fields": ["x"], "channels": ["x"]},
    ],
)
def test_what_cannot_be_is_refused(table):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, Options)


def test_its_channels_need_no_broker():
    options = Options(topic="a", fields=("t", "h.rel"), unit="%")
    assert channels(options) == (Channel("t", "%"), Channel("h.rel", "%"))
