"""``rehub compare`` from a file to a table and a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rehub.cli.main import main


@pytest.fixture
def data(tmp_path: Path, texts: tuple[list[str], list[str]]) -> Path:
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in zip(*texts, strict=True)))
    return path


def _exit_code(*arguments: str | Path) -> object:
    with pytest.raises(SystemExit) as exit_:
        main(["compare", *map(str, arguments)])
    return exit_.value.code


def test_compare_prints_a_table_and_draws(
    data: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "models.png"
    assert _exit_code(models / "poor" / "1", models / "good" / "1", "--data", data, "--plot", picture) == 0

    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["MODEL", "good", "poor"]
    assert "60 examples of 2 classes" in err
    assert f"Drawn: {picture}" in err
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_compare_takes_a_folder_of_images(
    models: Path, images: tuple[list[Any], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, (image, label) in enumerate(zip(*images, strict=True)):
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "data" / label / f"{place}.png")

    options = ("--data", tmp_path / "data", "--image-size", "8", "8", "--limit", "24", "--json")
    assert _exit_code(models / "colours" / "1", models / "any-size" / "1", *options) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["examples"], found["classes"]) == (24, ["blue", "green", "red"])
    assert [row["score"] for row in found["rows"]] == [1, 1]


def test_compare_exits_with_1_when_a_model_fails_and_prints_the_others(
    data: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--json", "--folds", "3", "--limit", "30", "--batch-size", "8", "--seed", "4")
    assert _exit_code(models / "nothing" / "1", models / "good" / "1", "--data", data, *options) == 1

    out, err = capsys.readouterr()
    assert "warning: nothing: " in err
    found = json.loads(out)
    assert (found["examples"], found["folds"], found["batch_size"], found["seed"]) == (30, 3, 8, 4)
    assert [row["name"] for row in found["rows"]] == ["good"]
    assert [row["name"] for row in found["failures"]] == ["nothing"]


def test_compare_passes_signature_and_output_on(data: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--json", "--signature", "both", "--output-key", "lengths", "--task", "classification")
    assert _exit_code(models / "good" / "1", "--data", data, *options) == 0

    assert json.loads(capsys.readouterr().out)["rows"][0]["width"] == 1
