"""Request ids, the access log, rate limits and metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub, HubOptions
from rehub.server.metrics import Metrics
from rehub.server.rate import Guesses, RateLimit
from rehub.server.tokens import Tokens
from rehub.storage.folder import FolderStore
from tests.server.conftest import COMPRESSED, Ask, ask_hub
from tests.server.publishing import Watched

METRIC = re.compile(r'(?P<name>[a-z_]+)(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? (?P<value>[0-9.]+)')


@pytest.fixture
def logging_hub(models: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(models, options=HubOptions(access_log=True, is_behind_proxy=True)) as hub:
        yield hub


@pytest.mark.parametrize("target", ["/", f"/acme/net/1{COMPRESSED}", "/acme/none", "/api/v1/none", "/healthz"])
def test_answers_have_an_id_each(ask: Ask, target: str) -> None:
    ids = {ask(target).headers["X-Request-ID"] for _ in range(3)}

    assert len(ids) == 3


def test_answers_have_the_id_that_was_sent(ask: Ask) -> None:
    answer = ask(f"/acme/none{COMPRESSED}", x_request_id="Abc-1._")

    assert answer.headers["X-Request-ID"] == json.loads(answer.body)["request_id"] == "Abc-1._"


@pytest.mark.parametrize("wanted", ["", "a b", "x" * 65, "a\tb", "<script>", "é"])
def test_answers_have_another_id_when_the_one_that_was_sent_is_odd(ask: Ask, wanted: str) -> None:
    assert re.fullmatch("[0-9a-f]{16}", ask("/healthz", x_request_id=wanted).headers["X-Request-ID"])


def test_log_tells_each_request(logging_hub: EmbeddedHub, capfd: pytest.CaptureFixture[str]) -> None:
    answer = ask_hub(
        logging_hub,
        f"/acme/net/1{COMPRESSED}",
        x_request_id="id1",
        user_agent="a\nb".replace("\n", " "),
        x_forwarded_for="10.0.0.1, 10.0.0.2",
    )
    ask_hub(logging_hub, "/healthz")

    (line,) = capfd.readouterr().err.splitlines()
    values = json.loads(line)
    assert values["path"] == f"/acme/net/1{COMPRESSED}"
    assert (values["id"], values["method"], values["status"], values["token"]) == ("id1", "GET", 200, None)
    assert values["bytes"] == len(answer.body)
    assert values["client"] == "10.0.0.2"
    assert values["agent"] == "a b"


def test_log_never_tells_a_token(logging_hub: EmbeddedHub, models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    token = Tokens(FolderStore(models)).create("ci of acme", ["acme"])

    ask_hub(logging_hub, f"/acme/net/1?token={token}", authorization=f"Bearer {token}", user_agent=token)
    ask_hub(logging_hub, "/acme/net/1", authorization=f"Bearer {token}x")

    told = capfd.readouterr().err
    assert token.removeprefix("rehub_") not in told
    assert json.loads(told.splitlines()[0])["token"] == "ci of acme"


def test_address_of_a_proxy_counts_only_when_there_is_one(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with EmbeddedHub(models, options=HubOptions(access_log=True)) as hub:
        page = ask_hub(hub, "/acme/net/1", x_forwarded_for="10.0.0.1", x_forwarded_proto="https")

    assert json.loads(capfd.readouterr().err)["client"] == "127.0.0.1"
    assert b"https://127.0.0.1" not in page.body


def test_pages_have_the_scheme_of_the_proxy(logging_hub: EmbeddedHub) -> None:
    page = ask_hub(logging_hub, "/acme/net/1", x_forwarded_proto="https")

    assert logging_hub.url.replace("http://", "https://").encode() in page.body


def test_requests_are_refused_when_there_are_too_many(models: Path) -> None:
    token = Tokens(FolderStore(models)).create("ci", ["acme"])
    with EmbeddedHub(models, options=HubOptions(requests_per_s=0.5)) as hub:
        statuses = [ask_hub(hub, "/acme/none").status for _ in range(5)]
        refused = ask_hub(hub, f"/acme/none{COMPRESSED}")
        other = ask_hub(hub, f"/acme/net/1{COMPRESSED}", authorization=f"Bearer {token}")
        health = ask_hub(hub, "/healthz")
        metrics = ask_hub(hub, "/metrics").body.decode()

    assert statuses == [404] * 5
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 3
    assert (other.status, health.status) == (200, 200)
    assert "\nrehub_limited_total 1\n" in metrics


def test_invented_tokens_are_not_looked_up_when_there_were_too_many(models: Path) -> None:
    store = FolderStore(models)
    tokens = [Tokens(store).create(name, ["acme"]) for name in ("one", "two")]
    watched = Watched(store)
    with EmbeddedHub(watched, options=HubOptions(requests_per_s=0.2)) as hub:  # type: ignore[arg-type]
        good = [ask_hub(hub, "/none", authorization=f"Bearer {token}").status for token in tokens * 2]
        watched.calls.clear()
        invented = [f"Bearer {tokens[0][:-1]}{letter}" for letter in "abcdefgh" if not tokens[0].endswith(letter)]
        statuses = [ask_hub(hub, "/none", authorization=authorization).status for authorization in invented]
        lookups = watched.calls.count("info")

    assert good == [404] * 4
    assert statuses == [401, 401, *[429] * (len(invented) - 2)]
    assert lookups == 2


def test_a_good_token_is_not_limited_by_the_invented_ones_of_its_address(models: Path) -> None:
    token = Tokens(FolderStore(models)).create("ci", ["acme"])
    with EmbeddedHub(models, options=HubOptions(requests_per_s=0.2)) as hub:
        before = ask_hub(hub, "/none", authorization=f"Bearer {token}")
        refused = [ask_hub(hub, "/none", authorization=f"Bearer {number}").status for number in range(4)]
        after = ask_hub(hub, "/none", authorization=f"Bearer {token}")

    assert refused == [401, 401, 429, 429]
    assert (before.status, after.status) == (404, 404)


def test_good_tokens_of_one_address_do_not_limit_each_other() -> None:
    guesses = Guesses(0.1, lambda: 0.0)

    for token in ("one", "two"):
        assert guesses.wait_s("10.0.0.1", token) == 0
        guesses.tell("10.0.0.1", token, is_good=True)
    assert guesses.wait_s("10.0.0.1", "invented") == 0
    for token in ("one", "two"):
        assert guesses.wait_s("10.0.0.1", token) == 0
        guesses.tell("10.0.0.1", token, is_good=True)
    assert guesses.wait_s("10.0.0.1", "another") == 10


def test_a_token_that_was_revoked_counts_as_invented() -> None:
    guesses = Guesses(0.1, lambda: 0.0)
    guesses.wait_s("10.0.0.1", "one")
    guesses.tell("10.0.0.1", "one", is_good=True)
    guesses.tell("10.0.0.1", "one", is_good=False)

    assert [guesses.wait_s("10.0.0.1", "one") for _ in range(2)] == [0, 10]


def test_rate_limit_lets_clients_go_on_with_time() -> None:
    now = [0.0]
    limit = RateLimit(2.0, lambda: now[0])

    assert [limit.wait_s("a") for _ in range(20)] == [0] * 20
    assert limit.wait_s("a") == 0.5
    assert limit.wait_s("b") == 0
    now[0] = 1.0
    assert [limit.wait_s("a") > 0 for _ in range(3)] == [False, False, True]


def _values(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(METRIC.fullmatch(line) for line in lines)
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_metrics_count_requests_by_kind_and_status(ask: Ask) -> None:
    archive = ask(f"/acme/net/1{COMPRESSED}")
    ask(f"/acme/net/9{COMPRESSED}")
    ask("/")

    answer = ask("/metrics")

    values = _values(answer.body.decode())
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert values['rehub_requests_total{kind="archive",status="2xx"}'] == 1
    assert values['rehub_requests_total{kind="archive",status="4xx"}'] == 1
    assert values['rehub_requests_total{kind="page",status="2xx"}'] == 1
    assert values['rehub_response_bytes_total{kind="archive"}'] >= len(archive.body)
    assert values['rehub_request_seconds_count{kind="archive"}'] == 2
    assert values['rehub_request_seconds_bucket{kind="archive",le="+Inf"}'] == 2


def test_metrics_add_up_what_several_processes_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for process in (1, 2):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        found.append(Metrics(tmp_path))
        found[-1].count_request("page", 200, 10, 0.003 * process)
        found[-1].count("blocks", process)

    assert found[0].text() == found[1].text()
    values = _values(found[0].text())
    assert values['rehub_requests_total{kind="page",status="2xx"}'] == 2
    assert values['rehub_request_seconds_bucket{kind="page",le="0.005"}'] == 1
    assert values['rehub_request_seconds_bucket{kind="page",le="0.025"}'] == 2
    assert values['rehub_request_seconds_sum{kind="page"}'] == 0.009
    assert values["rehub_blocks_total"] == 3


def test_metrics_do_not_exist_for_paths_that_only_look_alike(ask: Ask) -> None:
    assert ask("/metrics%0A").status == 404


def test_errors_that_nobody_expects_answer_500_with_an_id(
    models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("/secret/place")

    monkeypatch.setattr("rehub.server.library.Library.version", fail)
    with EmbeddedHub(models) as hub:
        answer = ask_hub(hub, f"/acme/net/1{COMPRESSED}")

    body = json.loads(answer.body)
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert body["request_id"] in caplog.text
    assert "/secret/place" in caplog.text
