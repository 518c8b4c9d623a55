from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import command


def test_train_says_that_tensorflow_is_missing(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("text,label\none,1\n")
    code, out, err = command.call(
        tmp_path / "cache", "train", "text-classifier", tmp_path / "data.csv", "--handle", "model"
    )

    assert (code, out) == (1, "")
    assert "error: This call runs a model and needs TensorFlow, which is not installed.\nhint: Run: pip install" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("image-classifier", "."), "Missing option '--handle'"),
        (("image-classifier", "--handle", "model"), "Missing argument 'DATA'"),
        (("image-classifier", "nowhere", "--handle", "model"), "'nowhere' does not exist"),
        (("image-classifier", ".", "--handle", "model", "--epochs", "0"), "0 is not in the range x>=1"),
        (("image-classifier", ".", "--handle", "model", "--validation", "2"), "2 is no share between 0 and 1"),
        (
            ("image-classifier", ".", "--handle", "m", "--validation", "none"),
            "'none' is no number, and no file or folder",
        ),
        (("image-classifier", ".", "--handle", "model", "--frozen", "--augment"), "which --frozen leaves out"),
        (("text-classifier", ".", "--handle", "model"), "File '.' is a directory"),
        (("images", "."), "No such command 'images'"),
    ],
)
def test_train_refuses_wrong_usage(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    code, _, err = command.call(tmp_path / "cache", "train", *arguments)

    assert code == 2
    assert message in err
