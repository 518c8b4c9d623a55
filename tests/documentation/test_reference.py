"""The reference has every public name, and the page about errors every error."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

import rehub
from rehub import errors
from tests.documentation.pages import ROOT, text

REFERENCE = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs/reference").glob("api*.md")))
TROUBLESHOOTING = text("docs/troubleshooting.md")
CLASSES = [cls for cls in vars(errors).values() if inspect.isclass(cls) and cls.__module__ == "rehub.errors"]


def _texts() -> list[str]:
    """All texts of the source, of those with values the parts between them."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src/rehub").rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_every_public_name_is_in_the_reference() -> None:
    described = set(re.findall(r"^::: rehub\.(\w+)$", REFERENCE, re.MULTILINE))
    assert described - {"keras"} == set(rehub.__all__) - {"__version__", "errors"}


@pytest.mark.parametrize("package", ["batch", "index", "keras", "server", "train"])
def test_every_public_name_of_a_package_is_in_the_reference(package: str) -> None:
    source = ast.parse((ROOT / f"src/rehub/{package}/__init__.py").read_text(encoding="utf-8"))
    (names,) = [
        ast.literal_eval(n.value) for n in source.body if isinstance(n, ast.Assign) and "__all__" in ast.unparse(n)
    ]
    for name in names:
        assert re.search(rf"rehub\.{package}\.{name}\b", REFERENCE), name


def test_troubleshooting_has_a_section_for_each_class_in_their_order() -> None:
    assert re.findall(r"^## (\w+)$", TROUBLESHOOTING, re.MULTILINE) == [cls.__name__ for cls in CLASSES]


def test_page_of_an_error_is_its_section() -> None:
    for cls in CLASSES:
        if issubclass(cls, errors.HubError):
            page, _, anchor = cls("It broke.").page.partition("#")
            assert (ROOT / page).is_file()
            assert anchor in re.findall(r"^## (\w+)$", (ROOT / page).read_text(encoding="utf-8").lower(), re.MULTILINE)


def test_page_of_an_error_of_an_inner_class_is_that_of_its_base() -> None:
    class Inner(errors.TransferError):
        """One that users do not know."""

    assert Inner("It broke.").page == "docs/troubleshooting.md#transfererror"


def test_messages_of_the_troubleshooting_page_are_those_of_the_code() -> None:
    known = "\n".join(_texts())
    messages = re.findall(r"^\| `([^`]+)` \|", TROUBLESHOOTING, re.MULTILINE)
    assert len(messages) > 50
    for message in messages:
        for part in re.split(r"'?…'?", message):
            assert part.strip() in known, message
