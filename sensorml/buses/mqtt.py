"""One topic of an MQTT broker. The only importer of paho-mqtt.

The client is connected, served and disconnected on one thread, which belongs to
the subscription; received messages are queued until they are taken.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from sensorml.buses.flood import BURST_MESSAGES, RowLimit
from sensorml.errors import BusError, SecretError
from sensorml.files import read_secret

if TYPE_CHECKING:
    from paho.mqtt.client import (
        Client,
        ConnectFlags,
        DisconnectFlags,
        MQTTMessage,
        SocketLike,
    )
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

MAX_MESSAGES: Final = 4096
"""The length of the queue; when it is full, the oldest message is dropped."""
MAX_BYTES: Final = 65_536
"""The longest message; one that is longer ends the connection, because the client would
keep it in memory whole."""
MAX_QUEUE_BYTES: Final = 2**22
"""The size of the queue; the oldest messages are dropped beyond it."""

_HEADER_BYTES: Final = 1100
"""The topic and other fields before the payload."""
_CONNECT_S: Final = 4.0
_KEEP_ALIVE_S: Final = 30
_LOOP_S: Final = 0.25  # the longest delay of a stop
_END_S: Final = 5.0


class Topic(Protocol):
    """One topic of one broker, with the login."""

    @property
    def broker(self) -> str:
        """The broker's "host:port"."""

    @property
    def topic(self) -> str: ...
    @property
    def rate_hz(self) -> float: ...
    @property
    def qos(self) -> int: ...
    @property
    def username(self) -> str | None: ...
    @property
    def password_file(self) -> str | None: ...
    @property
    def encrypted(self) -> bool: ...
    @property
    def ca_file(self) -> str | None: ...


class Message(NamedTuple):
    """A payload, and the time of its arrival."""

    at_ns: int
    payload: bytes


class Subscription:
    """A subscription to one topic, with its own connection."""

    def __init__(self, topic: Topic, clock: Callable[[], int]) -> None:
        """Start to connect; `take` reports failures.

        Raises:
            BusError: paho-mqtt is not installed, or a file cannot be read.
        """
        self._topic = topic
        self._clock = clock
        self._messages: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self._bytes = 0
        self._limit = RowLimit(topic.rate_hz, burst=BURST_MESSAGES)
        self._failure = ""
        self._stop = threading.Event()
        # Only the thread holds the client, so the client's sockets close when it ends.
        self._thread = threading.Thread(
            target=self._run,
            args=(self._configured(),),
            name=f"mqtt {topic.topic}",
            daemon=True,
        )
        self._thread.start()

    def take(self) -> list[Message]:
        """Return the messages since the last call, oldest first.

        Raises:
            BusError: the broker refused or disconnected, and all messages are taken.
        """
        failure = self._failure  # read first, because no message follows it
        taken = [self._messages.popleft() for _ in range(len(self._messages))]
        if failure and not taken:
            raise BusError(f"{self._topic.broker}: {failure}")
        return taken

    def close(self) -> None:
        """Disconnect, within _END_S even if a name server does not answer."""
        self._stop.set()
        self._thread.join(_END_S)

    def _configured(self) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as err:
            raise BusError(
                errno.ENOENT,
                "mqtt needs paho-mqtt 2: pip install 'sensorml[mqtt]'",
            ) from err
        source = self._topic
        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.connect_timeout = _CONNECT_S
        client.on_socket_open = _limit_buffer
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        if source.username is not None:
            client.username_pw_set(source.username, _password(source.password_file))
        if source.encrypted:
            try:
                client.tls_set(source.ca_file)
            except OSError as err:  # also for a file that is no certificate
                raise BusError(
                    err.errno, f"{source.ca_file}: no certificate: correct ca_file"
                ) from err
        return client

    def _run(self, client: Client) -> None:
        """Serve the client until it is stopped or fails."""
        host, port = self._topic.broker.rsplit(":", 1)
        try:
            client.connect(host, int(port), _KEEP_ALIVE_S)
        except (OSError, UnicodeError) as err:
            why = (isinstance(err, OSError) and err.strerror) or err
            self._fail(f"no connection ({why}): check host, port, tls and the broker")
            return
        while not (self._stop.is_set() or self._failure):
            ended = client.loop(_LOOP_S)
            if (size := _length_coming(client)) > MAX_BYTES + _HEADER_BYTES:
                self._fail(self._too_long(size))
            elif ended:
                self._fail("the connection is lost: check the broker and the network")
        client.disconnect()

    def _too_long(self, size: int) -> str:
        return (
            f"{self._topic.topic!r} sends a message of {size} bytes, a row has at most "
            f"{MAX_BYTES}: correct topic, or let it send less"
        )

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why  # later failures follow from the first

    def _connected(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._fail(f"refused ({reason}): check username and password_file")
        else:
            client.subscribe(self._topic.topic, self._topic.qos)

    def _subscribed(
        self,
        _client: Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            topic = self._topic.topic
            self._fail(f"refused to send {topic!r}: check the user's rights")

    def _disconnected(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._fail(f"the connection ended ({reason}): check the broker and the network")

    def _received(
        self, _client: Client, _userdata: object, message: MQTTMessage
    ) -> None:
        if self._failure:
            return
        at_ns = self._clock()
        if why := self._limit.exceeded(1, at_ns):
            self._fail(f"{self._topic.topic!r} {why}")
            return
        payload = bytes(message.payload)
        if len(payload) > MAX_BYTES:
            self._fail(self._too_long(len(payload)))
        # A retained message is of unknown age, and may have been received before.
        elif not message.retain:
            self._messages.append(Message(at_ns, payload))
            self._queued(len(payload))

    def _queued(self, added: int) -> None:
        """Drop the oldest messages while the queue is too large."""
        self._bytes += added
        if self._bytes > MAX_QUEUE_BYTES:
            messages = list(self._messages)
            self._bytes = sum(len(message.payload) for message in messages)
            while self._bytes > MAX_QUEUE_BYTES // 2 and self._messages:
                with suppress(IndexError):  # taken meanwhile
                    self._bytes -= len(self._messages.popleft().payload)


def _limit_buffer(_client: Client, _userdata: object, connection: SocketLike) -> None:
    """Keep the kernel from gathering megabytes that the client would read at once."""
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MAX_BYTES)


def _length_coming(client: Client) -> int:
    """Return the length of the packet of which a part has come, 0 without one.

    The client has no limit of its own and no public name for it.
    """
    return client._in_packet["remaining_length"]  # noqa: SLF001


def _password(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return read_secret(file, "password_file")
    except SecretError as err:
        raise BusError(errno.EACCES, str(err)) from err
