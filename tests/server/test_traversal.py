"""No URL leads out of the folder or to what is hidden in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehub.server import EmbeddedHub
from rehub.server.catalogue import Catalogue
from tests.server.conftest import COMPRESSED, ask_hub, write_version


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub folder ``inside`` with a secret model beside it, links to it, and hidden models."""
    base = tmp_path_factory.mktemp("hub")
    write_version(base, "outside/net/1")
    root = base / "inside"
    write_version(root, "acme/net/1")
    write_version(root, ".hidden/net/1")
    write_version(root, "acme/.net/1")
    (root / "acme/away").symlink_to(base / "outside/net")
    (root / "acme/net/2").symlink_to(base / "outside/net/1")
    (root / "acme/net/3").symlink_to("1")
    (root / "acme/circle").symlink_to("..")
    (root / "acme/endless").symlink_to("endless")
    return root


@pytest.fixture(scope="module")
def hub(root: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(root) as hub:
        yield hub


@pytest.mark.parametrize(
    "path",
    [
        "/../outside/net/1",
        "/%2e%2e/outside/net/1",
        "/..%2foutside/net/1",
        "/..%5coutside/net/1",
        "/acme/../acme/net/1",
        "/acme/./net/1",
        "/acme//net/1",
        "/acme/net/1%00",
        "/acme/net%00/1",
        "/acme/net%0A/1",
        "/acme/net/1%0A",
        "/acme/net/1%0a/1",
        "/%ff/net/1",
        "/.hidden/net/1",
        "/acme/.net/1",
        "/acme/away/1",
        "/acme/net/2",
        "/acme/endless/1",
        "/acme/net/1/saved_model.pb",
        "/acme/net%3F/1",
        "/%0A",
        "/healthz%0A",
        f"/acme/{'n' * 300}/1",
        f"/{'a/' * 4000}1",
    ],
)
@pytest.mark.parametrize("query", [COMPRESSED, ""])
def test_get_answers_404_when_the_path_is_not_a_model(hub: EmbeddedHub, path: str, query: str) -> None:
    assert ask_hub(hub, path + query).status == 404


@pytest.mark.parametrize("path", ["/acme%2Fnet/1", "/acme/net%2F1"])
def test_get_answers_for_an_encoded_slash_as_for_a_slash(hub: EmbeddedHub, path: str) -> None:
    assert ask_hub(hub, path + COMPRESSED).body == ask_hub(hub, f"/acme/net/1{COMPRESSED}").body


def test_get_answers_for_a_link_that_stays_inside(hub: EmbeddedHub) -> None:
    assert ask_hub(hub, f"/acme/net/3{COMPRESSED}").body == ask_hub(hub, f"/acme/net/1{COMPRESSED}").body


def test_models_lists_only_what_can_be_served(root: Path) -> None:
    models = {model.name: model.versions for model in Catalogue(root).models()}

    assert models == {"acme/net": (1, 3)}


_PIECES = st.sampled_from(
    ["acme", "net", "1", "2", "..", ".", "", "outside", ".hidden", "away", "circle", "\\", "\0", ":", "C:", "~", "\n"]
)
_SEGMENTS = st.one_of(_PIECES, st.text(max_size=6), st.lists(_PIECES, max_size=3).map("".join))
_SAFE = {"acme/net", "acme/circle/acme/net"}


@given(st.lists(_SEGMENTS, max_size=6), st.integers(0, 4))
def test_folder_is_always_inside_the_root(root: Path, segments: list[str], version: int) -> None:
    folder = Catalogue(root).folder("/".join(segments), version)

    assert folder is None or folder == (root / "acme/net/1").resolve()


@settings(max_examples=150, deadline=None)
@given(st.lists(_SEGMENTS, max_size=5).map("/".join), st.sampled_from(["", "/", "%2f", "%5c"]))
def test_get_never_answers_with_anything_but_the_visible_model(hub: EmbeddedHub, path: str, slash: str) -> None:
    target = "/" + quote(path, safe="/", errors="replace").replace("/", slash or "/")

    answer = ask_hub(hub, target + COMPRESSED)

    assert answer.status in (200, 302, 404)
    if answer.status == 200 and target.strip("/"):
        assert answer.headers["ETag"] == ask_hub(hub, f"/acme/net/1{COMPRESSED}").headers["ETag"]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=12))
def test_get_answers_404_for_any_bytes(hub: EmbeddedHub, raw: bytes) -> None:
    answer = ask_hub(hub, f"/acme/net/1/{quote(raw, safe='')}x{COMPRESSED}")

    assert answer.status == 404
