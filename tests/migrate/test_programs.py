"""Whole programs: as they were, and as they are to become. tests/documents runs what they become."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.migrate import code

PROGRAMS = Path(__file__).parents[1] / "data" / "migrate"
NAMES = sorted(path.name for path in (PROGRAMS / "before").iterdir())


def read(folder: str, name: str) -> str:
    return (PROGRAMS / folder / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_migrate_rewrites_program(name: str, tmp_path: Path) -> None:
    assert code.after(tmp_path, read("before", name), name) == read("after", name)


@pytest.mark.parametrize("name", NAMES)
def test_migrate_changes_nothing_in_a_second_run(name: str, tmp_path: Path) -> None:
    assert not code.examine(tmp_path, read("after", name), name).is_changed


@pytest.mark.parametrize("name", NAMES)
def test_migrate_to_tf2_changes_nothing_in_a_second_run(name: str, tmp_path: Path) -> None:
    once = code.after(tmp_path, read("before", name), name, to_tf2=True)

    ast.parse(once)
    assert code.after(tmp_path, once, name, to_tf2=True) == once
