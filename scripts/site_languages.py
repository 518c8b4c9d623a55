"""The languages of the site: English, and Portuguese for the pages whose files end in ``.pt.md``.

A page tells its language to browsers and to programs that read it out, the theme's own words on it are in that
language, and what is in the other one says so.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

_BETWEEN = {"Em português": "pt-BR", "English": "en"}
"""What the links between a page and its translation are called."""
_TITLE = re.compile(r'(<\w+ class="md-ellipsis")(>\s*([^<]*?)\s*<)')
"""A title in the navigation, the footer or the header, as the theme writes it."""
_TABS = '<ul class="md-tabs__list"'

_titles: dict[str, str] = {}


def language(file: File) -> str:
    """Returns the language of a page by its file."""
    return "pt-BR" if file.src_uri.endswith(".pt.md") else "en"


def on_nav(nav: Navigation, **_: Any) -> None:
    """Notes the language of each title: that of a section is the one of its pages."""
    for page in nav.pages:
        for item in (*page.ancestors, page):
            _titles[item.title or ""] = language(page.file) if item in (page, page.parent) else "en"


def on_page_context(context: Any, page: Page, config: MkDocsConfig, **_: Any) -> None:
    """Chooses the language of the page, and of the theme's words on it."""
    config.theme["language"] = language(page.file)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Marks what is in the other language."""
    own = language(page.file)
    begin = f'<html lang="{own[:2]}"'  # the theme calls both kinds of Portuguese "pt"
    if begin not in output:
        raise PluginError(f"{page.file.src_uri} is in {own}, and the theme does not say so.")
    output = output.replace(begin, f'<html lang="{own}"')

    def marked(title: re.Match[str]) -> str:
        other = _titles.get(unescape(title[3]), own)
        return title[0] if other == own else f'{title[1]} lang="{other}"{title[2]}'

    output = _TITLE.sub(marked, output)
    for words, other in _BETWEEN.items():
        output = re.sub(rf'(<a href="[^"]*")(?=>{words}</a>)', rf'\1 lang="{other}" hreflang="{other}"', output)
    return output if own == "en" else output.replace(_TABS, f'{_TABS} lang="en"')
