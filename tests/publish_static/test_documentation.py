"""docs/publishing.md has every rule as it is in the code."""

from __future__ import annotations

import re
from pathlib import Path

from rehub.publish.check import check
from rehub.publish.rules.every import IS_MODEL, RULES
from tests.publish_static import models

TEXT = (Path(__file__).parents[2] / "docs" / "publishing.md").read_text(encoding="utf-8")


def test_table_of_codes_is_that_of_the_rules() -> None:
    rows = re.findall(r"^\| `([EW]\d{3})` \| (.*?) \|", TEXT, re.MULTILINE)
    assert rows == [IS_MODEL, *((rule.code, rule.title) for rule in RULES)]


def test_codes_are_different_and_in_order() -> None:
    numbers = [int(rule.code[1:]) for rule in RULES]
    assert numbers == sorted(set(numbers))


def test_schema_names_every_key_of_a_report(tmp_path: Path) -> None:
    report = check(models.copy(models.CALLABLE, tmp_path / "model", card=""), run=False).to_json()
    keys = {*report, *report["findings"][0], *report["skipped"][0]}
    assert keys == set(re.findall(r"^\| `([a-z_]+)` \|", TEXT, re.MULTILINE))
