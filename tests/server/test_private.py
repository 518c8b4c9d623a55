"""Private publishers: nobody learns what they have without a token for them."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub, HubOptions
from rehub.server.publishers import Collection, set_collection, set_publisher
from rehub.server.tokens import Tokens
from rehub.storage.folder import FolderStore
from tests.server.conftest import COMPRESSED, Answer, ask_hub, write_version
from tests.server.publishing import Watched

PLACES = (
    f"/secret/net/1{COMPRESSED}",
    f"/secret/net{COMPRESSED}",
    f"/secret/net/9{COMPRESSED}",
    "/secret/net/1?rehub-file=saved_model.pb",
    "/secret/net/1?tf-hub-format=uncompressed",
    "/secret/net/1?lite-format=tflite",
    "/secret/net/1/model.json?tfjs-format=file",
    "/secret/net/1",
    "/secret/net",
    "/secret",
    "/secret/collection/best",
    "/api/v1/models/secret/net",
    "/api/v1/models/secret/net/1",
)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Models of acme, who is public, and of secret, who is not."""
    for name in ("acme/net/1", "secret/net/1", "secret/net/2"):
        write_version(tmp_path, name)
    store = FolderStore(tmp_path)
    set_publisher(store, "secret", is_private=True, title="Very secret")
    set_collection(store, Collection("secret", "best", models=("secret/net",)))
    return store


@pytest.fixture
def hub(store: FolderStore) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(store) as hub:
        yield hub


@pytest.fixture
def token(store: FolderStore) -> str:
    return Tokens(store).create("reader", ["secret"], can_publish=False)


def _said(answer: Answer) -> object:
    """What an answer says, apart from what differs between any two."""
    if answer.headers["Content-Type"] != "application/json":
        return answer.body.replace(b"secret", b"nobody")
    return {**json.loads(answer.body), "request_id": ""}


@pytest.mark.parametrize("place", PLACES)
def test_get_answers_as_if_nothing_was_there_when_the_publisher_is_private(hub: EmbeddedHub, place: str) -> None:
    answer, nothing = ask_hub(hub, place), ask_hub(hub, place.replace("secret", "nobody"))

    assert answer.status == nothing.status == 404
    assert _said(answer) == _said(nothing)


@pytest.mark.parametrize("place", PLACES)
def test_store_is_asked_as_if_nothing_was_there_when_the_publisher_is_private(store: FolderStore, place: str) -> None:
    watched = Watched(store)
    steps = []
    with EmbeddedHub(watched) as hub:  # type: ignore[arg-type]
        ask_hub(hub, "/")  # has the list of all models made, which is remembered
        for name in ("secret", "nobody"):
            ask_hub(hub, f"/{name}/other{COMPRESSED}")  # reads what is set for the publisher, which is remembered
            watched.calls.clear()
            ask_hub(hub, place.replace("secret", name))
            steps.append(list(watched.calls))

    assert steps[0] == steps[1]


@pytest.mark.parametrize("query", ["", "?q=secret", "?publisher=secret"])
def test_lists_leave_private_publishers_out(hub: EmbeddedHub, token: str, query: str) -> None:
    for place in ("/", "/api/v1/models"):
        body = ask_hub(hub, f"{place}{query}").body
        assert b"secret/net" not in body
        assert b"secret/net" in ask_hub(hub, f"{place}{query}", authorization=f"Bearer {token}").body


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Basic"])
def test_get_answers_those_who_have_a_token(hub: EmbeddedHub, token: str, scheme: str) -> None:
    secret = base64.b64encode(f"me:{token}".encode()).decode() if scheme == "Basic" else token

    answer = ask_hub(hub, f"/secret/net/1{COMPRESSED}", authorization=f"{scheme} {secret}")

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert "Authorization" in answer.headers["Vary"]
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_get_answers_404_when_the_token_is_for_another_publisher(hub: EmbeddedHub, store: FolderStore) -> None:
    other = Tokens(store).create("other", ["acme"])

    assert ask_hub(hub, f"/secret/net/1{COMPRESSED}", authorization=f"Bearer {other}").status == 404


@pytest.mark.parametrize("place", [f"/secret/net/1{COMPRESSED}", f"/acme/net/1{COMPRESSED}", "/acme/net", "/nothing"])
def test_get_answers_401_whatever_is_asked_for_when_the_token_is_none(
    hub: EmbeddedHub, store: FolderStore, place: str
) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    expired = Tokens(store).create("expired", None, expires=past)

    for authorization in (f"Bearer {expired}", "Bearer x", "Basic eDp5", "Basic %", "Other x"):
        assert ask_hub(hub, place, authorization=authorization).status == 401


@pytest.mark.parametrize(
    "place", ["/", "/secret/net", "/nobody/net", f"/secret/net/1{COMPRESSED}", f"/nobody/x{COMPRESSED}"]
)
def test_get_asks_for_a_login_when_the_hub_is_private(store: FolderStore, place: str) -> None:
    set_publisher(store, "acme", is_private=False)
    token = Tokens(store).create("all", None)
    with EmbeddedHub(store, options=HubOptions(is_private=True)) as hub:
        answer = ask_hub(hub, place)
        public = ask_hub(hub, f"/acme/net/1{COMPRESSED}")
        known = ask_hub(hub, "/secret/net", authorization=f"Bearer {token}")

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert (public.status, known.status) == (200, 200)


def test_get_follows_what_an_operator_sets_while_it_runs(hub: EmbeddedHub, store: FolderStore) -> None:
    set_publisher(store, "acme", is_private=True)
    assert ask_hub(hub, f"/acme/net/1{COMPRESSED}").status == 404

    set_publisher(store, "acme", is_private=False)
    assert ask_hub(hub, f"/acme/net/1{COMPRESSED}").status == 200
