"""What is said about versions in several places says the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import rehub
from tests.project import pyproject

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project() -> dict[str, Any]:
    return pyproject()["project"]


def _supported(package: str) -> list[str]:
    """The versions in the second column of the table of docs/versions.md."""
    text = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {re.escape(package)} \| ([^|]+) \|", text, flags=re.MULTILINE)
    assert row, f"docs/versions.md has no line for {package}"
    return re.findall(r"\d+(?:\.\d+)*", row[1])


def test_newest_version_of_the_changelog_is_that_of_the_package() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    headings = re.findall(r"^## (\S+)", text, flags=re.MULTILINE)

    assert headings[0] == "Unreleased"
    assert headings[1] == rehub.__version__


def test_documented_pythons_are_those_of_the_metadata(project: dict[str, Any]) -> None:
    first, last = _supported("Python")

    classified = [text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r"Python :: 3\.", text)]
    assert project["requires-python"] == f">={first}"
    assert (classified[0], classified[-1]) == (first, last)


def test_documented_tensorflows_are_those_of_the_extras(project: dict[str, Any]) -> None:
    first, last = _supported("TensorFlow")

    beyond = f"2.{int(last.partition('.')[2]) + 1}"
    for extra in ("tensorflow", "tensorflow-cpu"):
        (requirement,) = project["optional-dependencies"][extra]
        assert Requirement(requirement).specifier == SpecifierSet(f">={first},<{beyond}")


@pytest.mark.parametrize(("row", "place"), [("tf-2.15", 0), ("tf-latest", 1), ("tf-keras2", 1)])
def test_documented_ends_of_tensorflow_are_tested(row: str, place: int) -> None:
    lock = (ROOT / "environments" / f"{row}.txt").read_text(encoding="utf-8")

    tested = re.search(r"^tensorflow-cpu==(\d+\.\d+)", lock, flags=re.MULTILINE)

    assert tested
    assert tested[1] == _supported("TensorFlow")[place]


@pytest.mark.parametrize("package", ["protobuf", "urllib3"])
def test_documented_lower_bounds_are_those_of_the_metadata(package: str, project: dict[str, Any]) -> None:
    bounds = {Requirement(text).name: Requirement(text).specifier for text in project["dependencies"]}

    assert bounds[package] == SpecifierSet(f">={_supported(package)[0]}")
