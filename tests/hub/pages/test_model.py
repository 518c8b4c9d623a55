"""The page of a model, with all its parts."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.hub.pages.conftest import Open

PARTS = [
    "Use it",
    "Try it",
    "About",
    "What changed since version 1",
    "Call it",
    "Parts of it",
    "Signatures",
    "Variables",
    "What it can touch",
    "What works where",
    "Files",
    "Versions",
    "Facts",
    "Pinned handle",
]
TABS = {
    "/acme/sentences": ["hub.load", "Keras 3", "tf_keras", "curl"],
    "/google/shapes": ["hub.load", "Keras 3", "tf_keras", "hub.Module", "curl"],
    "/acme/tables": ["hub.load", "Keras 3", "tf_keras", "LiteRT", "curl"],
}


def test_open_model_shows_all_parts(open_page: Open) -> None:
    page = open_page("/acme/sentences")

    assert page.locator("main h2").all_inner_texts() == PARTS
    for link in page.get_by_role("navigation", name="On this page").get_by_role("link").all():
        expect(page.locator(str(link.get_attribute("href")))).to_have_count(1)
    about = page.get_by_role("region", name="About")
    expect(about.get_by_role("heading", name="How it was made")).to_be_visible()
    expect(about.get_by_role("cell", name="120,000,000")).to_be_visible()
    changes = page.get_by_role("region", name="What changed")
    expect(changes).to_contain_text("changed: assets/words.txt, card.md")
    expect(changes).to_contain_text("4 of 6 blocks are equal")
    picture = page.get_by_role("img", name="Variables by size")
    expect(picture).to_be_visible()
    assert picture.locator("rect").count() == 2
    works = page.get_by_role("region", name="What works where")
    assert works.locator("tbody th").all_inner_texts() == ["Load and run", "Fine-tune", "Create"]


def test_versions_lead_to_each_other(open_page: Open) -> None:
    page = open_page("/acme/sentences")

    page.get_by_role("link", name="Version 1", exact=True).click()
    expect(page.get_by_role("region", name="About")).to_contain_text("The vectors of Wikipedia were")
    page.get_by_role("link", name="See version 2").click()

    expect(page.get_by_role("region", name="About")).to_contain_text("Wikipedia and Tatoeba")


@pytest.mark.parametrize("path", TABS)
def test_copy_copies_the_code_that_is_seen(open_page: Open, path: str) -> None:
    page = open_page(path, permissions=["clipboard-read", "clipboard-write"])
    assert page.get_by_role("tab").all_inner_texts() == TABS[path]

    for name in TABS[path]:
        page.get_by_role("tab", name=name, exact=True).click()
        panel = page.get_by_role("tabpanel")
        panel.get_by_role("button", name="Copy").click()
        expect(panel.get_by_role("button")).to_have_text("Copied")
        expect(page.locator("#said")).to_have_text(f"Copied: {name}")
        code = panel.locator("code").inner_text()
        assert page.evaluate("navigator.clipboard.readText()") == code
        assert path in code


def test_copy_copies_where_there_is_no_clipboard(open_page: Open) -> None:
    page = open_page("/acme/sentences", permissions=["clipboard-read"])
    page.evaluate("delete Navigator.prototype.clipboard")

    page.get_by_role("button", name="Copy: pinned handle").click()

    expect(page.get_by_role("button", name="Copied: pinned handle")).to_be_focused()


def test_tabs_follow_the_arrow_keys(open_page: Open) -> None:
    page = open_page("/acme/sentences")
    page.get_by_role("tab", name="hub.load").focus()

    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Keras 3")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Keras 3")).to_be_visible()
    page.keyboard.press("End")

    expect(page.get_by_role("tabpanel", name="curl")).to_be_visible()


def test_open_model_shows_everything_without_javascript(open_page: Open) -> None:
    page = open_page("/google/shapes", java_script_enabled=False)

    for name in TABS["/google/shapes"]:
        expect(page.get_by_role("region", name=name, exact=True).locator("code")).to_be_visible()
    assert page.get_by_role("button", name="Copy").count() == 0
    expect(page.locator("[data-theme-switch]")).to_be_hidden()


def test_card_of_a_stranger_does_nothing_but_be_read(open_page: Open, url: str) -> None:
    asked: list[str] = []
    page = open_page("/")
    page.on("request", lambda request: asked.append(request.url))

    page.goto("/google/hostile")
    expect(page.get_by_role("region", name="About")).to_contain_text("Harmless text.")
    page.get_by_text("A link").click()
    page.get_by_text("Another").click()
    page.wait_for_load_state("networkidle")

    assert page.evaluate("window.hacked") is None
    assert {urlsplit(each).netloc for each in asked} == {urlsplit(url).netloc}
    expect(page.get_by_role("heading", level=1)).to_have_text("<script>window.hacked = 7</script>")
    expect(page.get_by_role("link", name="A curve")).to_have_attribute("href", "https://elsewhere.invalid/curve.png")
    assert page.locator(".prose :is(script, style, svg, iframe, form, input)").count() == 0


def test_model_that_reaches_out_says_so(open_page: Open) -> None:
    page = open_page("/legacy/reader")

    row = page.get_by_role("region", name="What it can touch").get_by_role("row").nth(1)
    expect(row).to_contain_text("Reads or writes files")
    expect(row).to_contain_text("ReadFile")


def test_removed_version_says_why(open_page: Open) -> None:
    page = open_page("/")

    answer = page.goto("/acme/withdrawn/1")

    assert answer is not None
    assert answer.status == 410
    expect(page.locator("main")).to_contain_text("Trained on data without a licence.")


def test_private_model_is_shown_to_those_with_a_token_alone(open_page: Open, token: str) -> None:
    stranger = open_page("/hidden/secret")
    password = base64.b64encode(f"me:{token}".encode()).decode()
    friend = open_page("/hidden/secret", extra_http_headers={"Authorization": f"Basic {password}"})

    assert stranger.content() == open_page("/hidden/nothing").content()
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Not found")
    expect(friend.get_by_role("heading", level=1)).to_have_text("Secret")


def test_files_and_the_archive_are_downloaded(open_page: Open) -> None:
    page = open_page("/acme/sentences")

    with page.expect_download() as file:
        page.get_by_role("link", name="assets/words.txt").click()
    with page.expect_download() as archive:
        page.get_by_role("link", name="Download").click()

    assert file.value.path().read_bytes() == b"one\ntwo\nfour\n"
    assert archive.value.path().read_bytes().startswith(b"\x1f\x8b")
