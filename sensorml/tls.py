"""TLS of a client: whom it trusts, and its own certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sensorml.errors import SecretError

if TYPE_CHECKING:
    from ssl import SSLContext


class Tls(NamedTuple):
    """The authority of the server's certificate, and the client's own certificate."""

    verify: bool = True
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


def tls_context(tls: Tls) -> SSLContext:
    """Return the TLS settings.

    Raises:
        SecretError: a file of certificates or keys cannot be used.
    """
    import ssl

    key, file = "ca_file", tls.ca_file
    try:
        context = ssl.create_default_context(cafile=file)
        if tls.cert_file is not None:
            key, file = "cert_file", tls.cert_file
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except OSError as err:  # as is ssl.SSLError
        raise SecretError(
            f"{file}: {key}: cannot be used ({err.strerror or err})",
            "name a readable file in PEM format",
        ) from err
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
