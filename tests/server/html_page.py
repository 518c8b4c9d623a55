"""What tests look at in a page."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})


class HtmlPage(HTMLParser):
    """A page, read.

    Attributes:
        elements: Name and attributes of every element, in order.
        words: All text that people see.
        main: The links inside of ``main``, apart from the way there and the list of sections.
        scripts: The text inside of scripts.
    """

    def __init__(self, html: bytes | str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.main: list[str] = []
        self.scripts = ""
        self._open: list[str] = []
        self.feed(html if isinstance(html, str) else html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag == "a" and "main" in self._open and "nav" not in self._open:
            self.main.append(attributes["href"] or "")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "script" in self._open:
            self.scripts += data
        else:
            self.words += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def tags(self) -> set[str]:
        """The names of all elements."""
        return {name for name, _ in self.elements}
