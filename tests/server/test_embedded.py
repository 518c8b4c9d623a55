"""The hub in a thread of this process."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from rehub.errors import NotFoundError, UsageError
from rehub.server import EmbeddedHub
from tests.server.conftest import COMPRESSED, ask_hub, write_version


def test_start_and_stop_take_less_than_a_second(models: Path) -> None:
    begun = time.monotonic()
    with EmbeddedHub(models) as hub:
        assert ask_hub(hub, "/healthz").status == 200

    assert time.monotonic() - begun < 1


def test_start_works_again_and_again(models: Path) -> None:
    threads = threading.active_count()
    hub = EmbeddedHub(models)
    for _ in range(20):
        with hub:
            assert ask_hub(hub, f"/acme/net/1{COMPRESSED}").status == 200

    assert threading.active_count() <= threads + 1


def test_start_gives_each_hub_its_own_port(models: Path, tmp_path: Path) -> None:
    write_version(tmp_path / "second", "acme/other/1")
    with EmbeddedHub(models) as one, EmbeddedHub(tmp_path / "second") as two:
        assert ask_hub(one, f"/acme/net/1{COMPRESSED}").status == 200
        assert ask_hub(two, f"/acme/net/1{COMPRESSED}").status == 404
        assert ask_hub(two, f"/acme/other/1{COMPRESSED}").status == 200


def test_stop_closes_the_port_when_connections_are_open(tmp_path: Path) -> None:
    write_version(tmp_path, "acme/big/1", os.urandom(30_000_000))
    with EmbeddedHub(tmp_path) as hub:
        host, _, port = hub.url.removeprefix("http://").partition(":")
        idle = socket.create_connection((host, int(port)))
        reading = urllib.request.urlopen(f"{hub.url}/acme/big/1{COMPRESSED}")
        reading.read(1000)
        begun = time.monotonic()

    assert time.monotonic() - begun < 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))
    reading.close()
    idle.close()


def test_stop_happens_when_the_block_fails(models: Path) -> None:
    urls = []

    def fail() -> None:
        with EmbeddedHub(models) as hub:
            urls.append(hub.url)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(urls[0])


def test_start_fails_when_the_folder_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"'.*nowhere' is not a folder\. Name the folder"):
        EmbeddedHub(tmp_path / "nowhere")


def test_start_fails_when_the_port_is_in_use(models: Path) -> None:
    with EmbeddedHub(models) as hub:
        port = int(hub.url.rpartition(":")[2])
        with pytest.raises(UsageError, match=f"Port {port} on 127.0.0.1 is in use"), EmbeddedHub(models, port=port):
            pass
        assert ask_hub(hub, "/healthz").status == 200


def test_start_takes_the_same_port_again_after_a_stop(models: Path) -> None:
    with EmbeddedHub(models) as hub:
        port = int(hub.url.rpartition(":")[2])
        ask_hub(hub, "/healthz")

    with EmbeddedHub(models, port=port) as hub:
        assert hub.url == f"http://127.0.0.1:{port}"
        assert ask_hub(hub, "/healthz").status == 200


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_start_fails_when_the_host_is_not_here(models: Path, host: str) -> None:
    with pytest.raises(UsageError, match="Cannot listen on"), EmbeddedHub(models, host=host):
        pass


def test_start_listens_on_a_named_host(models: Path) -> None:
    with EmbeddedHub(models, host="localhost") as hub:
        assert hub.url.startswith("http://localhost:")
        assert urllib.request.urlopen(f"{hub.url}/healthz").status == 200


def test_url_is_refused_outside_the_block(models: Path) -> None:
    with pytest.raises(UsageError, match="not running"):
        _ = EmbeddedHub(models).url


def test_start_leaves_the_logging_of_the_program_alone(models: Path, tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "log", mode="w")
    logger = logging.getLogger("a program")
    logger.addHandler(handler)
    try:
        with EmbeddedHub(models):
            logger.warning("still here")
    finally:
        logger.removeHandler(handler)
        handler.close()

    assert (tmp_path / "log").read_text() == "still here\n"
