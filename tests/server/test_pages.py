"""Pages for people, over HTTP."""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rehub
from rehub.errors import StoreError
from rehub.server import EmbeddedHub
from rehub.server.library import Library
from rehub.server.pages import Pages
from rehub.server.publishers import Collection, set_collection, set_publisher
from rehub.server.search import FACETS
from rehub.storage.folder import FolderStore
from tests.server.conftest import Ask, ask_hub, write_version
from tests.server.html_page import HtmlPage
from tests.server.published import card_text, put_plain, put_published, put_tombstone

HOSTILE = "<script>alert(1)</script><b onclick=alert(2) style=color:red class=bar>loud</b>"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub with models of each format, plain and published, a collection, and what was removed."""
    root = tmp_path_factory.mktemp("hub")
    encoder = card_text("# Encoder\n\nFor **sentences**.", title="Encoder", task="text-embedding", language="en")
    put_published(root, "acme/encoder/1", "saved_models/module", encoder)
    put_published(root, "acme/encoder/3", "saved_models/keras2", encoder.replace("**sentences**", "short texts"))
    put_tombstone(root, "acme/encoder/2", "Trained on the wrong data.")
    put_tombstone(root, "acme/withdrawn/1", "A <b>secret</b> was in it.")
    hostile = card_text(f"{HOSTILE}\n\n![x](https://evil.invalid/x)", description=f"'{HOSTILE}'")
    put_plain(root, "google/rich/1", "tf1_hub/rich", hostile)
    put_plain(root, "legacy/estimator/7", "saved_models/estimator")
    write_version(root, "broken/net/1")
    store = FolderStore(root)
    set_publisher(store, "acme", title="Acme research", description="All of **Acme**.")
    set_collection(store, Collection("acme", "first", "For a start", "Good ones.", ("google/rich", "acme/encoder")))
    put_published(root, "hidden/model/1", "saved_models/module")
    set_publisher(store, "hidden", is_private=True)
    set_collection(store, Collection("acme", "mixed", models=("hidden/model", "google/rich")))
    return root


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(root) as hub:
        yield hub


def read(hub: EmbeddedHub, target: str, status: int = 200) -> HtmlPage:
    answer = ask_hub(hub, target)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return HtmlPage(answer.body)


def test_get_home_lists_the_models(url: EmbeddedHub) -> None:
    assert read(url, "/").main == ["/acme/encoder", "/broken/net", "/google/rich", "/legacy/estimator"]


def test_get_home_says_so_when_there_are_no_models(tmp_path: Path) -> None:
    with EmbeddedHub(tmp_path) as hub:
        assert "no models yet" in read(hub, "/").words


def test_get_home_searches_and_filters_by_its_query(url: EmbeddedHub) -> None:
    nothing, one, filtered = (read(url, f"/?{query}") for query in ("q=sentences", "q=short", "format=tf1_hub&q="))

    assert "No model fits" in nothing.words
    assert one.main == ["/acme/encoder"]
    assert filtered.main == ["/", "/google/rich"]  # the first one removes the filter


def test_get_home_leads_from_page_to_page(tmp_path: Path) -> None:
    for number in range(30):
        write_version(tmp_path, f"acme/net-{number:02}/1")
    with EmbeddedHub(tmp_path) as hub:
        first = read(hub, "/?q=net")
        (following,) = [link["href"] for link in first.named("a") if link.get("rel") == "next"]
        assert following is not None
        second = read(hub, following)

    assert following == "/?q=net&page=2"
    assert len(set(first.main + second.main)) == 30


def test_get_model_shows_the_newest_version_and_how_to_load_it(url: EmbeddedHub) -> None:
    page = read(url, "/acme/encoder")

    assert f'hub.load("{url.url}/acme/encoder/3")' in page.words
    assert [link for link in page.main if re.fullmatch(r"/acme/encoder/\d", link)] == [
        "/acme/encoder/3",
        "/acme/encoder/2",
        "/acme/encoder/1",
    ]
    assert "3 May 2026" in page.words
    assert "tester" in page.words


def test_get_version_shows_how_to_load_it_and_that_there_is_a_newer_one(url: EmbeddedHub) -> None:
    page = read(url, "/acme/encoder/1")

    assert f'hub.load("{url.url}/acme/encoder/1")' in page.words
    assert "not the newest" in page.words
    assert "/acme/encoder" in page.main


def test_get_model_tells_what_changed_since_the_version_before(url: EmbeddedHub) -> None:
    page = read(url, "/acme/encoder")

    assert "What changed since version 1" in page.words
    assert "removed: both, ragged" in page.words
    assert "What changed" not in read(url, "/acme/encoder/1").words


def test_get_model_links_every_file_and_the_archive(url: EmbeddedHub) -> None:
    links = read(url, "/google/rich").main

    assert "/google/rich/1?tf-hub-format=compressed" in links
    for name in ("saved_model.pb", "tfhub_module.pb", "variables%2Fvariables.index"):
        assert ask_hub(url, f"/google/rich/1?rehub-file={name}").status == 200
        assert f"/google/rich/1?rehub-file={name}" in links


@pytest.mark.parametrize("target", ["/google/rich/1", "/acme/encoder/3"])
def test_get_model_shows_a_handle_that_names_just_its_files(url: EmbeddedHub, tmp_path: Path, target: str) -> None:
    (pinned,) = re.findall(rf"{url.url}{target}#sha256=[0-9a-f]{{64}}", read(url, target).words)

    with rehub.settings(cache_dir=tmp_path):
        assert (Path(rehub.resolve(pinned)) / "saved_model.pb").is_file()


def test_get_model_shows_its_interface(url: EmbeddedHub) -> None:
    words = read(url, "/google/rich").words

    assert "TF1 Hub format" in words
    assert "from_hidden" in words
    assert "hidden/kernel" in words
    assert "hub.Module(" in words
    assert "No op touches files" in words


def test_get_model_says_so_when_its_files_cannot_be_read(url: EmbeddedHub, root: Path) -> None:
    page = read(url, "/broken/net")

    assert "Nothing is known of what this model computes" in page.words
    assert str(root) not in page.words
    assert f'hub.load("{url.url}/broken/net/1")' in page.words


def test_get_version_shows_those_that_exist_when_it_does_not(url: EmbeddedHub) -> None:
    page = read(url, "/acme/encoder/7", 404)

    assert "No version 7 of acme/encoder" in page.words
    assert page.main == ["/acme/encoder/3", "/acme/encoder/1", "/"]


def test_get_removed_version_answers_410_with_the_reason(url: EmbeddedHub) -> None:
    page = read(url, "/acme/encoder/2", 410)

    assert "Trained on the wrong data." in page.words
    assert page.main == ["/acme/encoder/3", "/acme/encoder/1", "/"]


@pytest.mark.parametrize("target", ["/acme/withdrawn", "/acme/withdrawn/1"])
def test_get_model_answers_410_when_all_its_versions_were_removed(url: EmbeddedHub, target: str) -> None:
    page = read(url, target, 410)

    assert "A <b>secret</b> was in it." in page.words


def test_get_model_answers_500_for_people_when_its_record_is_damaged(tmp_path: Path) -> None:
    put_published(tmp_path, "acme/encoder/1", "saved_models/module")
    (tmp_path / "acme/encoder/1/manifest.json").write_bytes(b"{")
    with EmbeddedHub(tmp_path) as hub:
        assert "Tell whoever runs the hub" in read(hub, "/acme/encoder/1", 500).words
        assert read(hub, "/").main == ["/acme/encoder"]


def test_get_answers_503_for_people_when_the_store_fails(url: EmbeddedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreError("s3://secret/bucket does not answer.", hint="Look at it.")

    monkeypatch.setattr(FolderStore, "info", fail)
    answer = ask_hub(url, "/acme/encoder/1")

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "does not answer. Try again" in HtmlPage(answer.body).words
    assert b"secret" not in answer.body


def test_get_publisher_shows_its_models_and_collections(url: EmbeddedHub) -> None:
    page = read(url, "/acme")

    assert "Acme research" in page.words
    assert "All of Acme." in page.words
    assert page.main == ["/acme/collection/first", "/acme/collection/mixed", "/acme/encoder"]


def test_get_collection_shows_its_models_in_its_order(url: EmbeddedHub) -> None:
    page = read(url, "/acme/collection/first")

    assert "For a start" in page.words
    assert page.main == ["/google/rich", "/acme/encoder"]


@pytest.mark.parametrize("target", ["/nobody", "/acme/collection/none", "/acme/collection", "/acme/encoder/3/x"])
def test_get_answers_404_where_nothing_is(url: EmbeddedHub, target: str) -> None:
    assert "No such model" in read(url, target, 404).words


@pytest.mark.parametrize("target", ["/hidden", "/hidden/model", "/hidden/model/1", "/hidden/model/2"])
def test_get_answers_404_for_what_is_private(url: EmbeddedHub, target: str) -> None:
    assert ask_hub(url, target).body == ask_hub(url, "/nobody/nothing").body


def test_lists_leave_out_what_is_private(url: EmbeddedHub) -> None:
    home = read(url, "/")
    assert "/hidden/model" not in home.main
    assert "hidden" not in [attributes.get("value") for attributes in home.named("input")]
    assert read(url, "/acme/collection/mixed").main == ["/google/rich"]


PAGES = [
    "/",
    "/?q=x",
    "/acme",
    "/acme/collection/first",
    "/acme/encoder",
    "/google/rich",
    "/legacy/estimator",
    "/broken/net",
]


@pytest.mark.parametrize("target", [*PAGES, "/nobody", "/acme/encoder/2"])
def test_pages_are_sound_for_those_who_cannot_see_them(url: EmbeddedHub, target: str) -> None:
    page = HtmlPage(ask_hub(url, target).body)

    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for name in ("for", "aria-labelledby", "aria-controls"):
        named = [attributes[name] or "" for _, attributes in page.elements if name in attributes]
        assert {each for names in named for each in names.split()} <= set(ids)
    assert {"header", "main", "footer"} <= page.tags
    assert all("scope" in attributes for attributes in page.named("th"))
    labelled = {attributes["for"] for attributes in page.named("label")}
    assert all(attributes.get("id") in labelled for attributes in page.named("input"))
    links = [attributes["href"] or "" for attributes in page.named("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


@pytest.mark.parametrize("target", [*PAGES, "/nobody"])
def test_pages_keep_their_own_policy(url: EmbeddedHub, target: str) -> None:
    answer = ask_hub(url, target)
    page = HtmlPage(answer.body)

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert page.scripts == ""
    assert "style" not in page.tags
    for _, attributes in page.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_cards_cannot_make_a_page_do_what_they_want(url: EmbeddedHub) -> None:
    page = read(url, "/google/rich")

    assert len(page.named("script")) == 1
    assert "loud" in page.words
    assert {"class": "bar"} not in page.named("b")
    assert page.named("img") == []
    assert "https://evil.invalid/x" in page.main
    assert "<script>alert(1)</script>" in page.words  # the description, which is no Markdown


def test_static_files_are_found_and_never_change(url: EmbeddedHub) -> None:
    page = read(url, "/")
    targets = [attributes["src"] for attributes in page.named("script")]
    targets += [attributes["href"] for attributes in page.named("link")]

    assert len(targets) == 3
    for target, kind in zip(targets, ("text/javascript", "text/css", "image/svg+xml"), strict=True):
        assert target is not None
        answer = ask_hub(url, target)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(kind)
        assert "immutable" in answer.headers["Cache-Control"]
        assert hashlib.sha256(answer.body).hexdigest()[:12] in target


def test_static_files_answer_404_under_any_other_name(url: EmbeddedHub) -> None:
    read(url, "/_rehub/static/pages.css", 404)
    read(url, "/_rehub/static/..%2fpages.py", 404)


def test_pages_escape_the_names_of_models(tmp_path: Path) -> None:
    name = "acme/<script>alert(1)<script>&\"'"
    write_version(tmp_path, f"{name}/1")
    with EmbeddedHub(tmp_path) as hub:
        home = read(hub, "/")
        model = read(hub, home.main[0])

    assert len(home.named("script")) == len(model.named("script")) == 1
    assert name in home.words
    assert name in model.words


def test_pages_escape_the_name_of_the_host(tmp_path: Path) -> None:
    write_version(tmp_path, "acme/net/1")
    pages = Pages(Library(FolderStore(tmp_path)))

    page = HtmlPage(pages.home([], "http://<script>/", lambda _: True))

    assert len(page.named("script")) == 1
    assert "http://<script>/acme/net/1" in page.words


_NAMES = st.sampled_from(["q", "page", *FACETS]) | st.text(max_size=5)


@given(st.lists(st.tuples(_NAMES, st.text(max_size=20) | st.sampled_from(["tf1_hub", "acme", "yes", "2"])), max_size=8))
def test_get_home_answers_to_any_query(root: Path, parameters: list[tuple[str, str]]) -> None:
    pages = _pages_of(root)

    page = HtmlPage(pages.home(parameters, "http://h/", lambda _: True))

    assert len(page.named("script")) == 1
    assert page.named("main")


@functools.cache
def _pages_of(root: Path) -> Pages:
    return Pages(Library(FolderStore(root)))


def test_pages_show_images_of_others_only_where_it_is_wanted(tmp_path: Path) -> None:
    put_plain(tmp_path, "acme/net/1", "saved_models/module", card_text("![A curve](https://other.invalid/curve.png)"))
    library = Library(FolderStore(tmp_path))
    model = library.find("acme/net")
    assert model is not None
    shown, hidden = (Pages(library, remote_images=wanted) for wanted in (True, False))

    assert HtmlPage(shown.model(model, None, "http://h/") or "").named("img")
    assert not HtmlPage(hidden.model(model, None, "http://h/") or "").named("img")
    assert "https:" in shown.headers["Content-Security-Policy"]
    assert "https:" not in hidden.headers["Content-Security-Policy"]


def test_get_model_shows_its_new_files_when_a_plain_folder_has_changed(ask: Ask, models: Path) -> None:
    ask("/acme/net/2")

    (models / "acme/net/2/card.md").write_text("The *new* card.", encoding="utf-8")

    assert "The new card." in HtmlPage(ask("/acme/net/2").body).words
