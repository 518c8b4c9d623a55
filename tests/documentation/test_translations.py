"""A page in Portuguese says what the page in English says: the same code, tables, lists, names and links."""

from __future__ import annotations

import io
import posixpath
import re
import tokenize

import pytest

from tests.documentation.pages import PAGES, ROOT, blocks, text, without_code

TRANSLATED = [page for page in PAGES if page.endswith(".pt.md")]
MIGRATION = [
    "from_other_loaders",
    "from_tensorflow_hub",
    "handles_of_tfhub_dev",
    "keras2_to_keras3",
    "migrating_code",
    "tf1_to_tf2",
]
_HEADING = re.compile(r"^(?=#{1,6} )", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def _english(page: str) -> str:
    return page.removesuffix(".pt.md") + ".md"


def _parts(page: str) -> list[str]:
    """A page's text without its code, cut at the headings; all but the links between the two languages."""
    head, _, body = text(page).partition("\n\n")
    languages, _, rest = body.partition("\n\n")
    assert re.match(r"\[(English|Em português)\]\(", languages), page
    return _HEADING.split(_FENCED.sub("", f"{head}\n\n{rest}"))


def _uncommented(info: str, code: str) -> str:
    if info != "python":
        return re.sub(r"\s+#.*", "", code)
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return "\n".join(token.string for token in tokens if token.type != tokenize.COMMENT)


def _rows(part: str) -> list[list[set[str]]]:
    """The names that each cell of a table has."""
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[_names(cell) for cell in re.split(r"(?<!\\)\|", line)] for line in lines]


def _names(part: str) -> set[str]:
    """What is the same in all languages: code, numbers of versions, and codes of findings."""
    return set(re.findall(r"`[^`]+`|\bM\d{3}\b|\b\d+(?:\.\d+)+\b", part.replace("\n", " ")))


def _links(page: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", without_code(page))


def test_pages_about_migration_are_there_in_portuguese() -> None:
    assert [f"docs/{name}.pt.md" for name in MIGRATION] == TRANSLATED


@pytest.mark.parametrize("page", TRANSLATED)
def test_page_leads_to_its_other_language_first(page: str) -> None:
    assert _links(page)[0] == posixpath.basename(_english(page))
    assert _links(_english(page))[0] == posixpath.basename(page)


@pytest.mark.parametrize("page", TRANSLATED)
def test_code_is_the_same_but_for_comments(page: str) -> None:
    there, here = (
        [(info, _uncommented(info, code)) for _, info, code in blocks(each)] for each in (_english(page), page)
    )

    assert here == there


@pytest.mark.parametrize("page", TRANSLATED)
def test_headings_are_of_the_same_levels(page: str) -> None:
    there, here = ([part.partition(" ")[0] for part in _parts(each)] for each in (_english(page), page))

    assert here == there


@pytest.mark.parametrize("page", TRANSLATED)
def test_below_each_heading_are_the_same_names_rows_and_items(page: str) -> None:
    for there, here in zip(_parts(_english(page)), _parts(page), strict=True):
        assert _rows(here) == _rows(there)
        assert _names(here) == _names(there)
        assert len(re.findall(r"^- ", here, re.MULTILINE)) == len(re.findall(r"^- ", there, re.MULTILINE))


@pytest.mark.parametrize("page", TRANSLATED)
def test_links_lead_to_the_same_pages_and_to_portuguese_where_it_is_there(page: str) -> None:
    def targets(of: str) -> list[str]:
        return [link.partition("#")[0] for link in _links(of)[1:]]

    def in_portuguese(link: str) -> str:
        translated = link.removesuffix(".md") + ".pt.md"
        return translated if (ROOT / "docs" / translated).exists() else link

    assert sorted(targets(page)) == sorted(in_portuguese(link) for link in targets(_english(page)))
