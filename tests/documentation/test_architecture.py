"""What the pages on how it works name is in the code, and their pictures are those that the script draws."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rehub
from scripts import draw_ways as script
from tests.documentation.pages import ROOT, text
from tests.project import pyproject

PAGE = "docs/architecture.md"
PICTURES = ROOT / "docs" / "assets" / "ways"
SOURCE = ROOT / "src" / "rehub"


def _module(name: str) -> Path | None:
    """The file of a module below ``rehub``."""
    path = SOURCE.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _rooms() -> list[set[str]]:
    (contract,) = pyproject()["tool"]["importlinter"]["contracts"]
    return [set(re.findall(r"rehub\.(\w+)", layer)) for layer in contract["layers"]]


def _code(page: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text(page)))


@pytest.mark.parametrize("name", script.WAYS)
def test_picture_is_the_one_that_the_script_draws(name: str) -> None:
    assert (PICTURES / f"{name}.svg").read_text(encoding="utf-8") == script.draw(script.WAYS[name])


@pytest.mark.parametrize("name", script.WAYS)
def test_boxes_of_a_picture_are_modules(name: str) -> None:
    boxes = [box for row in script.WAYS[name].rows for box in row if not box.is_outside]

    assert boxes
    assert [box.name for box in boxes if _module(box.name.removeprefix("rehub.")) is None] == []


@pytest.mark.parametrize("name", script.WAYS)
def test_arrows_lead_to_and_from_every_box(name: str) -> None:
    way = script.WAYS[name]
    titles = {box.title for row in way.rows for box in row}

    assert {title for start, end, _ in way.arrows for title in (start, end)} == titles


def test_page_shows_every_picture_once_and_tells_what_is_in_it() -> None:
    images = re.findall(r"!\[([^\]]+)\]\(assets/ways/(\w+)\.svg\)", text(PAGE))

    assert sorted(name for _, name in images) == sorted(script.WAYS) == sorted(path.stem for path in PICTURES.iterdir())
    assert [name for words, name in images if len(words) < 80] == []


def test_rooms_are_the_layers_that_the_linter_checks() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text(PAGE), flags=re.MULTILINE)

    assert [set(re.findall(r"\w+", row)) for row in rows] == _rooms()


@pytest.mark.parametrize("page", [PAGE, "docs/decisions.md"])
def test_modules_and_classes_that_a_page_names_exist(page: str) -> None:
    rooms = set().union(*_rooms())
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    named = _code(page)

    modules = {
        name for name in named if re.fullmatch(r"[a-z]\w*(\.[a-z]\w*)+", name) and name.partition(".")[0] in rooms
    }
    public = {name.split(".")[1] for name in named if re.fullmatch(r"hub(\.\w+)+", name)}
    classes = {name for name in named if re.fullmatch(r"([A-Z][a-z]+){2,}", name)}
    assert modules
    assert [name for name in modules if _module(name) is None] == []
    assert public <= {*rehub.__all__, "batch"}
    assert [name for name in classes if f"class {name}" not in code] == []
