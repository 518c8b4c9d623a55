"""Ports: claiming one before the server starts, so that nobody else gets it in between."""

from __future__ import annotations

import dataclasses
import errno
import socket
import sys

from rehub.errors import UsageError


@dataclasses.dataclass(frozen=True)
class ClaimedPort:
    """A port that is ours until it is closed.

    Attributes:
        host: What the user asked for.
        address: The IP address behind it.
        number: The port.
    """

    host: str
    address: str
    number: int
    _socket: socket.socket

    @property
    def url(self) -> str:
        """The URL under which this machine reaches the server; without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.number}" if ":" in host else f"http://{host}:{self.number}"

    def close(self) -> None:
        """Gives the port up."""
        self._socket.close()


def claim_port(host: str, port: int) -> ClaimedPort:
    """Claims a TCP port for a server that binds it with ``SO_REUSEPORT``, as granian does on Linux.

    Args:
        host: A name or an IP address of this machine.
        port: The port; 0 for any free one.

    Raises:
        UsageError: If the host is not on this machine, or the port is in use or not allowed.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # With SO_REUSEPORT a second server of the same user would silently share the port, so look first.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
        claimed = socket.socket(family, socket.SOCK_STREAM)
        try:
            if sys.platform == "linux":
                claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            claimed.bind(where)
            address, number = claimed.getsockname()[:2]
            if sys.platform != "linux":  # a second socket could not bind it beside this one
                claimed.close()
        except BaseException:
            claimed.close()
            raise
    except (OSError, OverflowError) as error:
        raise _cannot_listen(host, port, error) from error
    return ClaimedPort(host, address, number, claimed)


def _cannot_listen(host: str, port: int, error: OSError | OverflowError) -> UsageError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return UsageError(f"Port {port} on {host} is in use.", hint="Choose another one with --port, or 0 for any.")
    if isinstance(error, PermissionError):
        return UsageError(f"Port {port} on {host} is not allowed for this user.", hint="Choose one above 1023.")
    return UsageError(
        f"Cannot listen on {host}, port {port}: {error}.", hint="Choose an address of this machine, such as 127.0.0.1."
    )
