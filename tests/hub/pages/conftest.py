"""One hub and one browser for all tests of pages; each test has windows of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from rehub.server.tokens import Tokens
from rehub.storage.folder import FolderStore
from tests.hub.pages.models import fill
from tests.serving import Server

ROOT = Path(__file__).parents[3]
TIMEOUT_MS = 60_000.0
expect.set_options(timeout=TIMEOUT_MS)

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="session")
def token(root: Path) -> str:
    """For all publishers."""
    return Tokens(FolderStore(root)).create("tests", None)


@pytest.fixture(scope="session")
def url(root: Path, token: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hub with models."""
    scratch = tmp_path_factory.mktemp("scratch")
    secret = {"REHUB_TOKEN": "secret", "AWS_SECRET_ACCESS_KEY": "secret"}
    with Server(root, "--try-it", "--rate-limit", "0", log=scratch / "log", environment=secret) as server:
        fill(root, server.url, token, scratch)
        yield server.url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    flags = ["--disable-quic", "--disable-sync", "--disable-component-update", "--font-render-hinting=none"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[Open]:
    """Opens a page of the hub in a window of its own; fails when a browser complains about a page."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(path: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=url, **{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: _complain(message, complaints))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def _complain(message: Any, complaints: list[str]) -> None:
    # What answers 404 is not a mistake of the page.
    if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
        complaints.append(message.text)


@pytest.fixture(scope="session")
def axe() -> str:
    """The program that looks for what keeps people out of a page."""
    script = ROOT / "environments" / "browser.sh"
    path = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True).stdout.strip()
    return Path(path).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of pages go."""
    folder = os.environ.get("REHUB_SCREENSHOTS")
    if folder is None:
        return tmp_path_factory.mktemp("screenshots")
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)
