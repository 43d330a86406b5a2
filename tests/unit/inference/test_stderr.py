"""Output of a library is passed on in printable form, up to a limit."""

import os

from standard_error import fill, piped
from support import Clock

from sensorml.inference.stderr import BYTES_A_SECOND, Relay, without


def test_output_of_a_library_is_passed_on(capfd):
    relay = Relay("edgetpu")
    relay.write(b"F driver.cc:857] failed\n")
    relay.write("\ttransfer µ\n".encode())
    relay.close()
    assert capfd.readouterr().err == "F driver.cc:857] failed\n\ttransfer µ\n"


def test_control_characters_are_replaced(capfd):
    Relay("edgetpu").write(b"\x1b]0;title\x07 \x1b[2J\r\xff\n")
    assert capfd.readouterr().err == " ]0;title   [2J \ufffd\n"


def test_output_above_the_limit_is_dropped_counted_and_reported(capfd):
    clock = Clock()
    relay = Relay("edgetpu", lambda: clock() / 1e9)
    for _ in range(3):
        relay.write(b"x" * BYTES_A_SECOND)
    clock.advance(1.0)
    relay.write(b"z" * 2 * BYTES_A_SECOND)
    relay.close()
    err = capfd.readouterr().err
    assert (err.count("x"), err.count("z")) == (BYTES_A_SECOND, BYTES_A_SECOND)
    assert err.count("edgetpu: output above 4096 bytes a second is dropped") == 1
    assert err.endswith(
        f"edgetpu: {3 * BYTES_A_SECOND} bytes of its output were dropped\n"
    )


def test_output_is_dropped_while_nobody_reads_standard_error():
    with piped() as pipe:
        fill()
        relay = Relay("edgetpu")
        relay.write(b"unread\n")
        relay.close()
        with without(b"INFO"):
            os.write(2, b"of a library\n")
        os.set_blocking(pipe, False)
        read = b""
        try:
            while piece := os.read(pipe, 65536):
                read += piece
        except BlockingIOError:
            pass
    assert read.strip(b"x") == b""
