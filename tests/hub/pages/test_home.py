"""Finding models, with the mouse, the keyboard, and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.hub.pages.conftest import Open

ALL = [
    "acme/sentences",
    "acme/tables",
    "acme/vision/faces",
    "google/hostile",
    "google/shapes",
    "legacy/churn",
    "legacy/reader",
]
FILTERS = {
    "Task": ("text-embedding", ["acme/sentences"]),
    "Format": ("TF1 Hub format", ["google/hostile", "google/shapes"]),
    "Fine-tunable": ("No", ["legacy/reader"]),
    "Publisher": ("legacy", ["legacy/churn", "legacy/reader"]),
    "Language": ("de", ["acme/sentences"]),
    "Architecture": ("transformer", ["acme/sentences"]),
    "Size": ("10 to 100 MB", ["acme/tables"]),
    "Dataset": ("wikipedia", ["acme/sentences"]),
}


def shown(page: Page) -> list[str]:
    """The models of a list."""
    links = page.locator(".card a").all()
    return [str(link.get_attribute("href")).removeprefix("/") for link in links]


def option(page: Page, facet: str, label: str) -> str:
    return f"fieldset:has(legend:text-is('{facet}')) li:has(label span:text-is('{label}')) input"


def test_search_shows_what_fits(open_page: Open) -> None:
    page = open_page("/")
    assert shown(page) == ALL

    page.get_by_label("Search models").fill("vectors")
    page.get_by_role("button", name="Search").click()

    expect(page.locator("#said")).to_have_text("2 models for “vectors”")
    assert shown(page) == ["acme/sentences", "acme/vision/faces"]
    assert page.url.endswith("/?q=vectors")


@pytest.mark.parametrize("facet", FILTERS)
def test_filter_shows_what_fits_and_can_be_taken_back(open_page: Open, facet: str) -> None:
    label, models = FILTERS[facet]
    page = open_page("/")

    page.locator(option(page, facet, label)).check()

    chip = page.get_by_role("link", name=f"Remove the filter {facet}: {label}")
    expect(chip).to_be_visible()
    assert shown(page) == models
    expect(page.locator(option(page, facet, label))).to_be_focused()
    chip.click()
    expect(chip).to_be_hidden()
    assert shown(page) == ALL


def test_filters_are_undone_by_going_back(open_page: Open) -> None:
    page = open_page("/")
    page.locator(option(page, "Publisher", "google")).check()
    expect(page.locator(".card")).to_have_count(2)

    page.go_back()

    expect(page.locator(".card")).to_have_count(len(ALL))


def test_search_and_filters_work_without_javascript(open_page: Open) -> None:
    page = open_page("/", java_script_enabled=False)

    page.locator(option(page, "Publisher", "acme")).check()
    page.get_by_label("Search models").fill("vectors")
    page.get_by_role("button", name="Apply filters").click()

    assert shown(page) == ["acme/sentences", "acme/vision/faces"]


def test_filters_are_folded_on_a_phone(open_page: Open) -> None:
    page = open_page("/", viewport={"width": 375, "height": 800})
    box = page.locator(option(page, "Publisher", "google"))
    expect(box).to_be_hidden()

    page.get_by_text("Filters", exact=True).click()
    box.check()

    expect(page.locator(".card")).to_have_count(2)
    expect(box).to_be_visible()


def test_keyboard_reaches_everything_in_order(open_page: Open) -> None:
    page = open_page("/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search models")).to_be_focused()
    page.keyboard.type("faces")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(1)
    while not page.evaluate("document.activeElement.closest('.card') !== null"):
        page.keyboard.press("Tab")
        expect(page.locator("body")).not_to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_title("Face features · Model hub")


def test_slash_leads_to_the_search(open_page: Open) -> None:
    page = open_page("/acme/sentences")

    page.keyboard.press("/")
    page.keyboard.type("/x")

    expect(page.get_by_label("Search models")).to_have_value("/x")


def test_links_lead_from_a_model_to_its_publisher_and_a_collection(open_page: Open) -> None:
    page = open_page("/acme/sentences")

    page.get_by_role("navigation", name="Breadcrumbs").get_by_role("link", name="acme").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Acme research")
    assert shown(page) == ["acme/sentences", "acme/tables", "acme/vision/faces"]
    page.get_by_role("link", name="For a start").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("For a start")
    assert shown(page) == ["acme/sentences", "acme/vision/faces", "google/shapes"]


def test_theme_is_that_of_the_system_until_one_is_chosen_and_then_stays(open_page: Open) -> None:
    page = open_page("/", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert dark != light

    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(ground) == dark
    page.goto("/acme")

    assert page.evaluate(ground) == dark
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
