"""What `make docs` adds to mkdocs: pages that lie outside docs/, examples of commands, and a look at what was made.

Links between documents are written for those who read them in the repository: ``../BENCHMARKS.md`` in docs/,
``docs/cache.md`` in BENCHMARKS.md. Here both become links of the site.
"""

from __future__ import annotations

import os.path
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from site_notebooks import to_page

from rehub.cli.main import rehub

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "BENCHMARKS.md": "BENCHMARKS.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "src/rehub/server/static/icon.svg": "assets/icon.svg",
    **{f"examples/{path.name}": f"examples/{path.name}" for path in sorted((ROOT / "examples").glob("*.*"))},
    "notebooks/README.md": "notebooks/README.md",
}
"""Files of the repository that are not in docs/, and their places on the site."""
NOTEBOOKS = {f"notebooks/{path.name}": f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
"""Notebooks, and the places of the pages that are made of them."""

_KIND = re.compile(r"^(```\w+) [\w ]+$", re.MULTILINE)  # of which blocks a test runs, after their language
_LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
_WAY = re.compile(r'<img alt="([^"]+)" src="[^"]*assets/ways/(\w+\.svg)"[^>]*>')
_FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}


def on_startup(**_: Any) -> None:
    """Puts the examples of each command into its description, where mkdocs-click finds them."""
    _describe(rehub, click.Context(rehub, info_name="rehub"))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie outside docs/."""
    for source, place in OUTSIDE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    for source, place in sorted(NOTEBOOKS.items()):
        page, pictures = to_page(ROOT / source)
        files.append(File.generated(config, place, content=page))
        files.append(File.generated(config, source, abs_src_path=str(ROOT / source)))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turns links of the repository into links of the site, and blocks of code into what the site colours."""
    here = page.file.src_uri
    places = OUTSIDE | NOTEBOOKS
    sources = {place: source for source, place in places.items()}
    folder = posixpath.dirname(sources.get(here, f"docs/{here}"))

    def on_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, unquote(link[2])))
        place = places.get(target) or target.removeprefix("docs/")
        return f"{link[1]}{posixpath.relpath(place, posixpath.dirname(here) or '.')}{link[3]}"

    return _LINK.sub(on_site, _KIND.sub(r"\1", markdown))


def on_page_content(html: str, **_: Any) -> str:
    """Puts the pictures of ways into their page, where they have its colours."""

    def drawn(image: re.Match[str]) -> str:
        picture = (ROOT / "docs" / "assets" / "ways" / image[2]).read_text(encoding="utf-8")
        return picture.replace("<svg ", f'<svg class="way" role="img" aria-label="{image[1]}" ', 1)

    return _WAY.sub(drawn, html)


def on_post_build(config: MkDocsConfig) -> None:
    """Fails when a page loads something from another host, or leads to what is not there."""
    site = Path(config.site_dir)
    pages = {path: _Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    wrong = [
        f"{path.relative_to(site)}: {problem}" for path, page in pages.items() for problem in _problems(page, pages)
    ]
    if wrong:
        raise PluginError("\n".join(["the site has faults:", *sorted(set(wrong))]))


def _describe(command: click.Command, context: click.Context) -> None:
    epilog = (command.epilog or "").removeprefix("\b\nExamples:\n")
    if epilog:
        lines = "\n".join(line.strip() for line in epilog.splitlines())
        command.help = f"{_plain(command.help or '')}\n\n```sh\n{lines}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                _describe(child, click.Context(child, info_name=name, parent=context))


def _plain(text: str) -> str:
    """A help text for Markdown: tables that click leaves alone are blocks, and stars are stars."""
    parts = re.split(r"\n{2,}", "\n".join(line.strip() if "\b" in line else line for line in text.splitlines()))
    return "\n\n".join(
        f"```text\n{part.removeprefix(chr(8)).lstrip(chr(10))}\n```"
        if part.startswith("\b")
        else part.replace("*", "\\*")
        for part in parts
    )


class _Page(HTMLParser):
    """The anchors of a page, what it links to, and what a browser fetches for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids = {""}
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.has_loose_fences = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes one element."""
        values = {name: value or "" for name, value in attrs}
        self.ids.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and values.get("rel") not in ("canonical", "prev", "next", "alternate"):
            self.fetched.append(values.get("href", ""))
        if tag in _FETCHED and _FETCHED[tag] in values:
            self.fetched.append(values[_FETCHED[tag]])

    def handle_data(self, data: str) -> None:
        """Notes a block of code that was taken for text."""
        self.has_loose_fences |= "```" in data


def _problems(page: _Page, pages: dict[Path, _Page]) -> list[str]:
    found = [f"it fetches {url}" for url in page.fetched if urlsplit(url).netloc]
    found += ["it shows the fence of a block of code"] * page.has_loose_fences
    for link in page.links + page.fetched:
        url = urlsplit(link)
        if url.scheme or url.netloc:
            continue
        target = Path(os.path.normpath(page.path.parent / unquote(url.path))) if url.path else page.path
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file():
            found.append(f"{link} leads nowhere")
        elif target in pages and unquote(url.fragment) not in pages[target].ids:
            found.append(f"{link} has an anchor that is not there")
    return found
