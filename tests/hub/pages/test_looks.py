"""Every page, in light and dark, on a phone and on a desk: nothing keeps people out, nothing sticks out."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from tests.hub.pages.conftest import Open

PAGES = {
    "home": "/",
    "found": "/?q=vectors&language=en",
    "nothing": "/?q=xyzzy",
    "publisher": "/acme",
    "collection": "/acme/collection/first",
    "model": "/acme/sentences",
    "old": "/acme/sentences/1",
    "pictures": "/acme/vision/faces",
    "module": "/google/shapes",
    "hostile": "/google/hostile",
    "plain": "/legacy/churn",
    "reader": "/legacy/reader",
    "removed": "/acme/withdrawn/1",
    "missing": "/acme/nothing",
}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = {"phone": 375, "desk": 1280}


@pytest.mark.parametrize("name", PAGES)
def test_open_page_shows_it_to_everybody(open_page: Open, axe: str, screenshots: Path, name: str) -> None:
    page = open_page(PAGES[name])
    page.evaluate(axe)
    found = {}
    for (place, width), theme in itertools.product(WIDTHS.items(), THEMES):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=theme)
        page.screenshot(path=screenshots / f"{name}-{place}-{theme}.png", full_page=True)
        # What neither theme nor width changes is looked at in two of the four.
        rules = [] if (place == "phone") == (theme == "light") else ["color-contrast"]
        found[place, theme] = [*_serious(page, rules), *_sticking_out(page)]
    assert not any(found.values()), found


def _serious(page: Page, rules: list[str]) -> list[Any]:
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in serious]


def _sticking_out(page: Page) -> list[str]:
    is_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return ["it is wider than the window"] if is_wide else []
