"""Rules that hold for the files of any model: each is broken by one model, and by none of the good ones."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rehub.publish.check import check
from tests.publish_static import models

VALUES = "variables/variables.data-00000-of-00001"


@pytest.mark.parametrize("source", [models.CALLABLE, models.MODULE, models.GRAPHS], ids=lambda path: path.name)
def test_check_finds_nothing_in_a_good_model(source: Path, tmp_path: Path) -> None:
    report = check(models.copy(source, tmp_path / "model"), run=False)

    assert report.findings == ()
    assert (report.errors, report.warnings) == (0, 0)
    assert all(skipped.reason for skipped in report.skipped)


def damage(folder: Path) -> None:
    values = folder / VALUES
    values.write_bytes(bytes([values.read_bytes()[0] ^ 1]) + values.read_bytes()[1:])


def enlarge(size_bytes: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "assets.extra").mkdir()
        (folder / "assets.extra/large").touch()
        os.truncate(folder / "assets.extra/large", size_bytes)

    return write


@pytest.mark.parametrize(
    ("code", "where", "spoil"),
    [
        ("E101", "all", lambda folder: (folder / "saved_model.pb").write_bytes(b"\xff" * 20)),
        ("E101", "all", lambda folder: (folder / "saved_model.pb").unlink()),
        ("E102", VALUES, lambda folder: (folder / VALUES).unlink()),
        ("E102", VALUES, lambda folder: (folder / VALUES).write_bytes(b"")),
        ("E103", VALUES, damage),
        ("E104", "aux.txt", lambda folder: (folder / "aux.txt").touch()),
        ("E104", "who?.txt", lambda folder: (folder / "who?.txt").touch()),
        ("E104", "card.md", lambda folder: (folder / "Card.md").touch()),
        ("E105", "other", lambda folder: (folder / "other").symlink_to("card.md")),
        ("E105", "pipe", lambda folder: os.mkfifo(folder / "pipe")),
        ("E106", "all files", enlarge(65 << 30)),
        ("W107", "all files", enlarge(3 << 30)),
        ("W108", ".DS_Store", lambda folder: (folder / ".DS_Store").touch()),
        ("W108", "variables/notes.txt~", lambda folder: (folder / "variables/notes.txt~").touch()),
    ],
)
def test_check_finds_what_is_wrong_with_files(
    code: str, where: str, spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model")
    spoil(folder)

    (finding,) = check(folder, run=False).findings

    assert (finding.code, finding.severity) == (code, {"E": "error", "W": "warning"}[code[0]])
    assert finding.where == where
    assert re.search(r"\w\.$", finding.fix)
    assert not finding.what.endswith(".")


def test_check_reads_a_card_from_another_place(tmp_path: Path) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model", card="")
    (tmp_path / "README.md").write_text(models.CARD)

    assert models.codes(folder) == {"W601"}
    assert models.codes(folder, card=tmp_path / "README.md") == set()


def test_check_says_which_rules_it_did_not_apply_to_what_is_no_model(tmp_path: Path) -> None:
    tmp_path.joinpath("notes.txt").touch()
    report = check(tmp_path, run=False)

    assert (report.format, report.size_bytes, report.errors) == ("", 0, 1)
    assert {skipped.reason for skipped in report.skipped} == {"the folder is no model that can be read"}
