"""Markdown of strangers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehub.server.markdown import LIMIT_LETTERS, highlight, render
from tests.server.html_page import HtmlPage


def test_render_knows_tables_and_code() -> None:
    html = render("| a |\n| --- |\n| 1 |\n\n```python\nimport x\n```\n\n~~old~~ **new**")

    page = HtmlPage(html)
    assert {"table", "th", "td", "pre", "code", "s", "strong"} <= page.tags
    assert {"class": "hl-kn"} in page.named("span")


@pytest.mark.parametrize("sample", ["```abap\nimport x\n```", f"```python\n{'import x; ' * 1000}\n```"])
def test_render_leaves_code_plain_that_may_hold_up_its_lexer(sample: str) -> None:
    page = HtmlPage(render(sample))

    assert "code" in page.tags
    assert "span" not in page.tags


def test_render_puts_headings_below_those_of_the_page() -> None:
    html = render("# A\n\n### B\n\n## C\n\n# D\n\n## E\n\n### F\n\n#### G\n\n##### H\n\n<h1>I</h1>")

    assert [name for name, _ in HtmlPage(html).elements] == ["h3", "h4", "h4", "h3", "h4", "h5", "h6", "h6"]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<style>body{display:none}</style>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        "[x](javascript:alert(1))",
        '<a href="data:text/html,<script>alert(1)</script>">x</a>',
        "<iframe src=https://evil.invalid></iframe>",
        "<form action=https://evil.invalid><input></form>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
        '<p style="position:fixed" class="notice" id="main">x</p>',
        "<meta http-equiv=refresh content=0;url=https://evil.invalid>",
        "<base href=https://evil.invalid>",
        "<img src=https://evil.invalid/x.png>",
        "<video src=https://evil.invalid/x></video>",
        '<table background="https://evil.invalid/x"><tr><td>x</table>',
        '```"onmouseover=alert(1)\nx\n```',
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    ],
)
def test_render_leaves_out_what_could_do_harm(text: str) -> None:
    check_harmless(render(text))


_PARTS = [*"<>\"'`=/!-[]()\n #|", "script", "img", "src", "onload", "href", "style"]


@given(st.lists(st.sampled_from(_PARTS)))
def test_render_leaves_out_what_could_do_harm_in_any_text(parts: list[str]) -> None:
    check_harmless(render("".join(parts)))


def check_harmless(html: str) -> None:
    page = HtmlPage(html)
    assert not page.tags & {
        "script",
        "style",
        "iframe",
        "form",
        "input",
        "svg",
        "math",
        "meta",
        "base",
        "link",
        "video",
    }
    for _, attributes in page.elements:
        assert attributes.keys() <= {"href", "rel", "title", "alt", "tabindex", "start", "class", "src"}
        assert (attributes.get("href") or "https:").startswith(("https:", "http:", "mailto:"))
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
        assert (attributes.get("class") or "hl-").startswith("hl-")


def test_render_says_so_when_a_text_is_too_long() -> None:
    whole, cut = render("a " * (LIMIT_LETTERS // 2)), render("a " * (LIMIT_LETTERS // 2) + "b")

    assert "too long" not in whole
    assert "too long" in cut
    assert "b" not in HtmlPage(cut).words.partition("The rest")[0]


def test_render_links_to_images_of_others() -> None:
    (link,) = HtmlPage(render("![A curve](https://other.invalid/c.png)")).named("a")

    assert link["href"] == "https://other.invalid/c.png"


def test_render_shows_images_that_are_in_the_text() -> None:
    (image,) = HtmlPage(render("![dot](data:image/png;base64,iVBORw0KGgo=)")).named("img")

    assert image == {"src": "data:image/png;base64,iVBORw0KGgo=", "alt": "dot"}


def test_highlight_escapes_code_of_any_language() -> None:
    assert HtmlPage(highlight("<b>", "python")).tags == {"span"}
    assert highlight("<b>", "no such language") == "&lt;b&gt;"
