"""Headers of answers that hold what no honest server sends."""

from __future__ import annotations

from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.configuration import Settings
from rehub.resolvers.chain import resolve_with
from rehub.transport.http import HttpTransport
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample
from tests.misbehaving import Answer, MisbehavingServer


@pytest.mark.parametrize("length", ["\u00b2", "9" * 5000, "-1", "1_0", "", "12, 12", "0x10"])
def test_resolve_makes_nothing_of_a_length_that_is_no_number(tmp_path: Path, length: str) -> None:
    answer = MemoryResponse(sample.archive(), headers={"content-length": length})
    transport = MemoryTransport({"https://hub.test/a/b/1?tf-hub-format=compressed": answer})
    with rehub.settings(cache_dir=str(tmp_path), show_progress=False):
        path = resolve_with("https://hub.test/a/b/1", configuration.current(), transport)
    assert sample.read(path) == sample.FILES


@pytest.mark.parametrize("wait", ["\u00b2", "-1", "Fri, 31 Dec 99999 23:59:59 GMT", "Mon, 99 Xyz", ","])
def test_get_tries_again_when_the_time_to_wait_makes_no_sense(monkeypatch: pytest.MonkeyPatch, wait: str) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    busy = Answer(status=503, headers={"Retry-After": wait})
    with MisbehavingServer(busy, Answer(b"good")) as server:
        transport = HttpTransport(Settings(timeout_s=5, retries=1), sleep=lambda _: None)
        with transport.get(f"http://127.0.0.1:{server.port}/") as response:
            assert (response.status, b"".join(response.chunks())) == (200, b"good")
