"""``rehub run`` from a file to a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rehub.cli.main import main
from tests.batch.files import rows


def _exit_code(*arguments: str | Path) -> object:
    with pytest.raises(SystemExit) as exit_:
        main(["run", *map(str, arguments)])
    return exit_.value.code


def test_run_prints_the_folder_and_goes_on_with_it(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text("text\na\nb c\n")
    arguments = (models / "lengths", "--input", tmp_path / "x.csv", "--output", tmp_path / "out", "--part-rows", "1")

    assert _exit_code(*arguments) == 0
    out, err = capsys.readouterr()
    assert (out.strip(), err.strip()) == (str(tmp_path / "out"), "2 rows in 2 files.")

    assert _exit_code(*arguments) == 0
    assert capsys.readouterr().err.strip() == "2 rows in 2 files, 2 of them from an earlier run."


def test_run_exits_with_1_when_rows_fail_and_names_the_folder_with_them(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text("text\na\nBAD\n")

    assert _exit_code(models / "lengths", "--input", tmp_path / "x.csv", "--output", tmp_path / "out", "--json") == 1

    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["rows"], found["failed"], found["failures"]) == (1, 1, str(tmp_path / "out" / "_failed"))
    assert f"1 row failed: see {tmp_path / 'out' / '_failed'}" in err


def test_run_takes_columns_by_the_inputs_of_the_model(models: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x,y,count\n1,2,3\n")
    columns = ("--column", "a=x", "--column", "a=y", "--column", "b=count")

    assert _exit_code(models / "sum", "--input", tmp_path / "x.csv", "--output", tmp_path / "out", *columns) == 0

    assert rows(tmp_path / "out")[0]["output"] == 6


def test_run_refuses_columns_with_and_without_an_input(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text("x,y\n1,2\n")
    columns = ("--column", "a=x", "--column", "y")

    assert _exit_code(models / "sum", "--input", tmp_path / "x.csv", "--output", tmp_path / "out", *columns) == 2
    assert "some name an input" in capsys.readouterr().err
