"""The hub's pages for people."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from rehub.server.catalogue import Model

_STYLE = """
:root { color-scheme: light dark; --text: #1d2430; --soft: #5a6472; --back: #fbfbfd; --card: #fff; --line: #d9dee6;
  --link: #0b57d0; --code: #f1f3f7 }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ef; --soft: #a3adba; --back: #14171c; --card: #1c2027;
  --line: #343b46; --link: #8ab4ff; --code: #262b34 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1.25rem 4rem; background: var(--back); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere }
a { color: var(--link) }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1.5rem 0 .5rem }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
.soft { color: var(--soft) }
ul.cards { list-style: none; padding: 0; display: grid; gap: .5rem }
ul.cards li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .9rem;
  display: flex; gap: 1rem; justify-content: space-between }
pre { background: var(--code); border-radius: .5rem; padding: .8rem 1rem; white-space: pre-wrap }
code { font: .92em/1.5 ui-monospace, monospace }
"""


def index(models: Sequence[Model], base_url: str) -> str:
    """Returns the list of all models.

    Args:
        models: What to list, in this order.
        base_url: The hub's own URL, ending in a slash.
    """
    if not models:
        body = '<h1>Models</h1><p class="soft">This hub holds no models yet.</p>'
        return _page("Models", body, home=False)
    items = "".join(
        f'<li><a href="/{_path(model.name)}">{escape(model.name)}</a>'
        f'<span class="soft">{_count(len(model.versions), "version")}</span></li>'
        for model in models
    )
    body = (
        f'<h1>Models</h1><p class="soft">{_count(len(models), "model")} on this hub.</p><ul class="cards">{items}</ul>'
        f"<h2>Load one in Python</h2>{_load_lines(f'{base_url}{_path(models[0].name)}/{models[0].newest}')}"
    )
    return _page("Models", body, home=False)


def model(model: Model, version: int | None, base_url: str) -> str:
    """Returns the page of a model, or of one version of it.

    Args:
        model: The model.
        version: The version that the URL names, or None.
        base_url: The hub's own URL, ending in a slash.
    """
    shown = model.newest if version is None else version
    title = model.name if version is None else f"{model.name}/{version}"
    body = (
        f"<h1>{_breakable(title)}</h1><h2>Load it in Python</h2>{_load_lines(f'{base_url}{_path(model.name)}/{shown}')}"
        f"<h2>Versions</h2>{_versions(model, shown)}"
    )
    return _page(title, body)


def not_found(message: str, model: Model | None) -> str:
    """Returns the page for a model or version that does not exist.

    Args:
        message: What is missing.
        model: The model, when only the version is missing.
    """
    body = f"<h1>Not found</h1><p>{escape(message)}</p>"
    if model:
        body += f"<h2>Versions</h2>{_versions(model, None)}"
    return _page("Not found", body)


def _versions(model: Model, current: int | None) -> str:
    items = "".join(
        f'<li><a href="/{_path(model.name)}/{version}"{_current(version == current)}>Version {version}</a>'
        f'<span class="soft">{"newest" if version == model.newest else ""}</span></li>'
        for version in reversed(model.versions)
    )
    return f'<ul class="cards">{items}</ul>'


def _current(is_current: bool) -> str:
    return ' aria-current="page"' if is_current else ""


def _load_lines(url: str) -> str:
    return f'<pre><code>import rehub as hub\n\nmodel = hub.load("{escape(url)}")</code></pre>'


def _breakable(name: str) -> str:
    return escape(name).replace("/", "/<wbr>")


def _path(name: str) -> str:
    return escape(quote(name))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _page(title: str, body: str, *, home: bool = True) -> str:
    nav = '<nav><a href="/">All models</a></nav>' if home else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{nav}<main>{body}</main></body></html>\n"
    )
