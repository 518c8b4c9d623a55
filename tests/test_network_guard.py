"""That no test leaves the machine is not left to care."""

from __future__ import annotations

import socket

import pytest


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "hub.test"])
@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_connection_to_another_machine_fails_the_test(host: str, method: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(pytest.fail.Exception, match=host):
        getattr(client, method)((host, 80))


def test_lookup_of_another_machine_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"hub\.test"):
        socket.create_connection(("hub.test", 80), timeout=0.1)


def test_name_is_unknown_when_it_is_invalid() -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("gone.invalid", 80), timeout=0.1)


def test_connection_to_this_machine_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1])).close()
