from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import command


def test_compare_says_that_tensorflow_is_missing(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("text,label\none,1\n")
    code, out, err = command.run(tmp_path / "cache", "compare", "model", "--data", tmp_path / "data.csv")

    assert (code, out) == (1, "")
    assert "error: This call runs a model and needs TensorFlow, which is not installed.\nhint: Run: pip install" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model",), "Missing option '--data'"),
        (("--data", "."), "Missing argument 'HANDLE...'"),
        (("model", "--data", "nowhere.csv"), "Path 'nowhere.csv' does not exist"),
        (("model", "--data", ".", "--folds", "1"), "1 is not in the range x>=2"),
        (("model", "--data", ".", "--plot", "nowhere/a.png"), "'--plot': there is no folder 'nowhere'"),
        (("model", "--data", ".", "--task", "ranking"), "'ranking' is not one of"),
    ],
)
def test_compare_refuses_wrong_usage(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    code, _, err = command.run(tmp_path / "cache", "compare", *arguments)

    assert code == 2
    assert message in err


def test_compare_finds_out_first_that_nothing_can_be_drawn(tmp_path: Path) -> None:
    options = ("--data", tmp_path, "--plot", tmp_path / "models.png")
    code, out, err = command.run(tmp_path / "cache", "compare", "model", *options)

    assert (code, out) == (1, "")
    assert "error: The plot needs matplotlib, which is not installed.\nhint: Run: pip install 'rehub[plot]'" in err
