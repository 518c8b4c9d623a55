"""Pages for people."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from rehub.server import EmbeddedHub, pages
from rehub.server.catalogue import Model
from tests.server.conftest import Ask, ask_hub, write_version


class _Page(HTMLParser):
    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.links: list[str | None] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data: str) -> None:
        self.words += data


def test_get_index_lists_the_models(ask: Ask) -> None:
    answer = ask("/")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert _Page(answer.body).links == ["/acme/net", "/acme/text/encoder"]


def test_get_index_says_so_when_there_are_no_models(tmp_path: Path) -> None:
    with EmbeddedHub(tmp_path) as hub:
        assert b"no models yet" in ask_hub(hub, "/").body


def test_get_model_shows_versions_and_how_to_load_the_newest(ask: Ask, hub: EmbeddedHub) -> None:
    page = _Page(ask("/acme/net").body)

    assert page.links == ["/", "/acme/net/10", "/acme/net/2", "/acme/net/1"]
    assert f'hub.load("{hub.url}/acme/net/10")' in page.words


def test_get_version_shows_how_to_load_it(ask: Ask, hub: EmbeddedHub) -> None:
    page = _Page(ask("/acme/net/2").body)

    assert f'hub.load("{hub.url}/acme/net/2")' in page.words


def test_get_version_shows_those_that_exist_when_it_does_not(ask: Ask) -> None:
    answer = ask("/acme/net/3")

    page = _Page(answer.body)
    assert answer.status == 404
    assert page.links == ["/", "/acme/net/10", "/acme/net/2", "/acme/net/1"]
    assert "No version 3 of acme/net" in page.words


def test_pages_escape_the_names_of_models(tmp_path: Path) -> None:
    name = "acme/<script>alert(1)<script>&\"'"
    write_version(tmp_path, f"{name}/1")
    with EmbeddedHub(tmp_path) as hub:
        index = _Page(ask_hub(hub, "/").body)
        link = index.links[0]
        assert link is not None
        model = _Page(ask_hub(hub, link).body)

    assert "script" not in index.tags + model.tags
    assert name in index.words
    assert name in model.words


def test_pages_escape_the_name_of_the_host() -> None:
    page = _Page(pages.index([Model("acme/net", (1,))], "http://<script>/").encode())

    assert "script" not in page.tags
    assert "http://<script>/acme/net/1" in page.words
