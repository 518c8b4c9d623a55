"""Names over HTTP: those that may be lead back to what was published, and no other one leads anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rehub.errors import PublishError
from rehub.server import EmbeddedHub
from rehub.server.names import check_model
from rehub.server.tokens import Tokens
from rehub.storage.folder import FolderStore
from tests import sample
from tests.server.client import API, Client, said
from tests.server.conftest import COMPRESSED, ask_hub

MODEL = {"saved_model.pb": sample.SAVED_MODEL}
_number = itertools.count()

_publishers = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True)
_segments = st.from_regex(r"[A-Za-z_][A-Za-z0-9_. -]{0,8}[A-Za-z0-9_-]", fullmatch=True) | st.text(
    "äß漢字é~!$&'()*+,;=@", min_size=1
)
_names = st.builds(
    lambda publisher, segments: "/".join([publisher, *segments]),
    _publishers,
    st.lists(_segments, min_size=1, max_size=3),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("around") / "hub"
    root.mkdir()
    return root


@pytest.fixture(scope="module")
def hub(root: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(root) as hub:
        yield hub


@pytest.fixture(scope="module")
def client(hub: EmbeddedHub, root: Path) -> Client:
    return Client(hub, Tokens(FolderStore(root)).create("tests", None))


def _is_valid(name: str) -> bool:
    try:
        check_model(name)
    except PublishError:
        return False
    return True


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=_names.filter(_is_valid))
def test_names_that_may_be_lead_to_what_was_published(hub: EmbeddedHub, client: Client, name: str) -> None:
    files = {**MODEL, "number": str(next(_number)).encode()}

    done = client.publish(files, quote(name))

    assert (done.status, said(done)["name"]) == (201, name)
    place = f"{quote(name)}/{said(done)['version']}"
    assert said(done)["handle"] == f"{hub.url}/{place}"
    assert ask_hub(hub, f"/{place}?rehub-file=number").body == files["number"]
    assert ask_hub(hub, f"/{quote(name, safe='')}{COMPRESSED}").headers["Location"] == f"/{place}{COMPRESSED}"
    assert said(ask_hub(hub, f"{API}/{quote(name)}"))["name"] == name
    assert ask_hub(hub, f"/{place}").status == 200


_odd = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_tricks = st.lists(
    st.sampled_from(
        ["..", ".", "", "acme", "_rehub", "tokens", "api", "con", "a:b", "a\\b", "\0", "1", "~", "x" * 300, "%2e"]
    ),
    max_size=6,
).map("/".join)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=(_odd | _tricks).filter(lambda name: not _is_valid(name)), slash=st.sampled_from(["/", ""]))
def test_names_that_may_not_be_are_refused(hub: EmbeddedHub, client: Client, root: Path, name: str, slash: str) -> None:
    before = _everything(root)

    begun = client.begin(MODEL, quote(name, safe=slash))
    asked = [
        ask_hub(hub, f"{path}{quote(name, safe=slash)}{query}") for path, query in (("/", COMPRESSED), (f"{API}/", ""))
    ]

    for answer in (begun, *asked):
        assert 300 <= answer.status < 500
        assert answer.status < 400 or (answer.headers["Content-Type"], bool(said(answer)["error"])) == (
            "application/json",
            True,
        )
    assert begun.status >= 400
    assert _everything(root) == before


def _everything(root: Path) -> set[Path]:
    """Returns all that is in the store, and around it."""
    return set(root.parent.rglob("*"))
