"""Markdown of strangers as HTML that is safe to show: no scripts, no styles, nothing from other servers."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape
from pygments import highlight as pygments_highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

LIMIT_LETTERS = 100_000
"""Of one text: what is behind that is not shown, and the page says so."""

_CACHED = 128
_CACHED_SAMPLES = 1024
_CLASS_PREFIX = "hl-"
_OWN_CLASS = re.compile(r"hl-[a-z0-9]+")
_HIGHLIGHTED = frozenset(
    ("bash", "javascript", "js", "json", "pycon", "py", "python", "python3", "sh", "shell", "toml", "yaml")
)
"""Languages of samples. The lexers of many others can be held up for minutes, and the whole server with them."""
_HIGHLIGHTED_LETTERS = 4_000  # of one sample: these lexers are slow, too, on what is no program
_DATA_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,", re.IGNORECASE)
_LINKED = re.compile(r"https?://", re.IGNORECASE)
_TARGET = re.compile(r"https?://|mailto:", re.IGNORECASE)

_TAGS = frozenset(
    (
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
        "var",
        "wbr",
    )
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "code": {"class"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "span": {"class"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
# What may be wider than a phone scrolls by itself, so it has to take the keyboard's focus.
_SCROLLING = {"pre": {"tabindex": "0"}, "table": {"tabindex": "0"}}


@functools.lru_cache(maxsize=_CACHED)
def render(text: str, *, top_level: int = 3, remote_images: bool = False) -> Markup:
    """Returns Markdown as HTML.

    Args:
        text: Markdown of GitHub's kind, with tables; HTML in it is kept where it is harmless.
        top_level: Of its highest headings, 3 to 6: the page around it has those above. No level is left out.
        remote_images: Whether images of other servers are shown; otherwise there is a link in the place of each.
    """
    parser = MarkdownIt("commonmark", {"html": True, "highlight": _highlighted}).enable(["table", "strikethrough"])
    parser.core.ruler.push("shift_headings", functools.partial(_shift_headings, top_level))
    if not remote_images:
        parser.add_render_rule("image", _image_or_link)
    html = parser.render(text[:LIMIT_LETTERS])
    rest = Markup("<p>The rest of this text is too long to be shown.</p>") if len(text) > LIMIT_LETTERS else ""
    return Markup(_cleaner(remote_images).clean(html)) + rest  # noqa: S704 - cleaned in the same line


@functools.lru_cache(maxsize=_CACHED_SAMPLES)
def highlight(code: str, language: str) -> Markup:
    """Returns a sample of code as HTML with pygments' classes; of an unknown language without."""
    return Markup(_highlighted(code, language, "") or escape(code))  # noqa: S704 - pygments escapes


def _highlighted(code: str, language: str, _: str) -> str:
    """The contents of a ``code`` element; empty where markdown-it shall do it."""
    if language.lower() not in _HIGHLIGHTED or len(code) > _HIGHLIGHTED_LETTERS:
        return ""
    formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True, classprefix=_CLASS_PREFIX)
    return str(pygments_highlight(code, get_lexer_by_name(language), formatter))


def _shift_headings(top_level: int, state: Any) -> None:
    """Makes the highest heading one of ``top_level``, and those below follow without gaps."""
    open_levels: list[int] = []
    for token in state.tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while open_levels and open_levels[-1] >= level:
                open_levels.pop()
            open_levels.append(level)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(top_level + len(open_levels) - 1, 6)}"


def _image_or_link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    source = str(tokens[index].attrs.get("src", ""))
    if not _LINKED.match(source):
        return renderer.image(tokens, index, options, env)
    return f'<a href="{escape(source)}">{escape(tokens[index].content or "Image")}</a>'


@functools.cache
def _cleaner(remote_images: bool) -> nh3.Cleaner:
    def attribute(tag: str, name: str, value: str) -> str | None:
        if name == "class":  # a page's own classes would let a card look like the page
            return " ".join(_OWN_CLASS.findall(value)) or None
        if name == "src":
            return value if _DATA_IMAGE.match(value) or (remote_images and _LINKED.match(value)) else None
        if name == "href":
            return value if _TARGET.match(value) else None
        return value

    return nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags={"script", "style", "template", "noscript", "iframe", "svg", "math"},
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        link_rel="nofollow noopener noreferrer",
        set_tag_attribute_values=_SCROLLING,
        url_schemes={"http", "https", "mailto", "data"},
        url_relative="deny",
    )
