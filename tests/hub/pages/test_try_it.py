"""Trying models in the browser. One process runs them, one after the other."""

from __future__ import annotations

import http.client
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.hub.pages.conftest import Open

SENTENCES = "one\ntwo\none"


def outcome(page: Page) -> str:
    """Waits for what came of it, and returns the heading or the message."""
    found = page.locator("[data-part=outcome]").locator("h3, .notice").first
    expect(found).to_be_visible()
    expect(page.locator("[data-part=outcome]")).to_have_attribute("aria-busy", "false")
    return found.inner_text()


def test_try_texts_shows_how_alike_they_are(open_page: Open, axe: str, screenshots: Path) -> None:
    page = open_page("/acme/sentences/1")

    page.get_by_label("Sentences", exact=True).fill(SENTENCES)
    page.get_by_role("button", name="Compare").click()

    assert outcome(page) == "Most alike are sentences 1 and 3, with 1.00."
    rows = page.get_by_role("table", name="How alike the sentences are").get_by_role("row")
    assert [row.get_by_role("cell").all_inner_texts() for row in rows.all()[1:]] == [
        ["1.00", "0.83", "1.00"],
        ["0.83", "1.00", "0.83"],
        ["1.00", "0.83", "1.00"],
    ]
    expect(page.locator("#said")).to_have_text("Most alike are sentences 1 and 3, with 1.00.")
    page.evaluate(axe)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.locator("[data-try]").screenshot(path=screenshots / f"try-texts-{theme}.png")
        found = page.evaluate("axe.run('[data-try]', {resultTypes: ['violations']})")
        assert [each["id"] for each in found["violations"]] == []


def test_try_texts_works_without_javascript(open_page: Open) -> None:
    page = open_page("/acme/sentences/1", java_script_enabled=False)

    page.get_by_label("Sentences", exact=True).fill(SENTENCES)
    page.get_by_role("button", name="Compare").click()

    assert outcome(page) == "Most alike are sentences 1 and 3, with 1.00."
    expect(page.get_by_label("Sentences", exact=True)).to_have_value(SENTENCES)


def test_try_texts_says_what_is_wrong_with_them(open_page: Open) -> None:
    page = open_page("/acme/sentences/1")

    page.get_by_label("Sentences", exact=True).fill("\n".join("123456789"))
    page.get_by_role("button", name="Compare").click()

    assert outcome(page) == "Write 2 to 8 sentences, each on its own line; these are 9."


def test_try_picture_shows_its_classes_by_name(open_page: Open, screenshots: Path) -> None:
    page = open_page("/google/shapes")

    page.get_by_label("Picture").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": page.screenshot()}
    )
    page.get_by_role("button", name="Run").click()

    assert outcome(page).startswith(("square (", "circle (", "triangle (", "star ("))
    names = page.get_by_role("table", name="The likeliest classes").get_by_role("rowheader").all_inner_texts()
    assert sorted(names) == ["circle", "square", "star", "triangle"]
    page.locator("[data-try]").screenshot(path=screenshots / "try-classes.png")


def test_try_picture_shows_a_vector(open_page: Open, screenshots: Path) -> None:
    page = open_page("/acme/vision/faces", viewport={"width": 375, "height": 800})

    page.get_by_label("Picture").set_input_files(
        {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": page.screenshot(type="jpeg")}
    )
    page.get_by_role("button", name="Run").click()

    assert outcome(page).startswith("A vector of 128 numbers; its norm is ")
    expect(page.get_by_role("img", name="Your picture")).to_be_visible()
    assert page.get_by_role("img", name="The first 64 numbers").locator("rect").count() == 64
    page.locator("[data-try]").screenshot(path=screenshots / "try-vector.png")
    page.get_by_label("Picture").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG no"})
    page.get_by_role("button", name="Run").click()
    expect(page.locator("[data-part=outcome]")).to_have_text("That is neither a PNG nor a JPEG.")


def test_model_that_reaches_out_is_not_tried(open_page: Open) -> None:
    page = open_page("/legacy/reader")

    assert page.locator("[data-try]").count() == 0


def _post(url: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_form_of_another_site_is_refused(url: str) -> None:
    for headers in ({}, {"Origin": "https://elsewhere.invalid"}, {"Origin": url, "Sec_Fetch_Site": "same-site"}):
        status, text = _post(url, "/acme/sentences?try-it", **headers)
        assert status == 403
        assert "That form was not on this page." in text


def test_form_for_what_is_private_is_answered_as_if_there_was_nothing(url: str) -> None:
    found = [_post(url, f"/{name}?try-it", Origin=url) for name in ("hidden/secret", "hidden/secret/1", "hidden/no")]

    assert [status for status, _ in found] == [404, 404, 404]
    assert len({text for _, text in found}) == 1


def test_form_that_is_none_is_refused(url: str) -> None:
    kind = "multipart/form-data; boundary=x"

    assert _post(url, "/acme/sentences?try-it", b"texts=a", Origin=url)[0] == 415
    assert _post(url, "/acme/sentences?try-it", b"--x\r\n", Origin=url, Content_Type=kind)[0] == 400
    assert _post(url, "/acme/vision/faces?try-it", b"1" * 10_100_000, Origin=url, Content_Type=kind)[0] == 413
    assert _post(url, "/acme/sentences", b"", Origin=url)[0] == 405
