"""How often, and how many at a time, models can be tried."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub, HubOptions
from rehub.server.trials import TrialLimits
from tests.server.published import put_plain

FORM = b'--x\r\nContent-Disposition: form-data; name="texts"\r\n\r\none\ntwo\r\n--x--\r\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put_plain(tmp_path, "acme/net/1", "saved_models/module")
    return tmp_path


@pytest.fixture
def hub(folder: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(folder, options=HubOptions(trials=TrialLimits(time_s=120))) as hub:
        yield hub


def post(hub: EmbeddedHub, form: bytes = FORM) -> tuple[int, str | None]:
    """Sends a form, and returns the status, and when to send it again."""
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=150)
    try:
        headers = {"Origin": hub.url, "Content-Type": "multipart/form-data; boundary=x"}
        connection.request("POST", "/acme/net?try-it", form, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["Retry-After"]
    finally:
        connection.close()


def test_forms_at_once_are_answered_one_by_one_and_some_not(hub: EmbeddedHub) -> None:
    with ThreadPoolExecutor(12) as pool:
        found = Counter(pool.map(lambda _: post(hub), range(12)))

    assert found.keys() == {(200, None), (503, "10")}
    assert found[200, None] >= 5


def test_forms_of_one_visitor_are_refused_when_they_are_very_many(folder: Path) -> None:
    options = HubOptions(trials=TrialLimits(), requests_per_s=1000)
    with EmbeddedHub(folder, options=options) as hub:
        found = [post(hub, b"") for _ in range(20)]

    assert found[0] == (400, None)
    status, wait = found[-1]
    assert status == 429
    assert int(wait or 0) > 0
