"""The demonstration does the main job and says so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rehub
from rehub.demo.photographs import draw, load_photographs
from rehub.demo.run import HUB_FOLDER, MODEL, run


def _mean(printed: str, row: str) -> float:
    found = re.search(rf"{row}\s+│\s+(\d\.\d+)", printed)
    assert found is not None, printed
    return float(found[1])


def test_run_learns_more_from_features_and_saves_the_tuned_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "out")

    printed = capsys.readouterr().out
    pixels, features = _mean(printed, "raw pixels"), _mean(printed, "features of the loaded model")
    assert features > 0.97
    assert features > pixels + 0.05
    assert _mean(printed, "the same, fine-tuned") >= features - 0.02
    difference = re.search(r"predictions differ by at most (\S+)\.\n", printed)
    assert difference is not None
    assert float(difference[1]) < 1e-5

    with Image.open(tmp_path / "out" / "predictions.png") as picture:
        assert picture.width > 800
        assert len(picture.getcolors(maxcolors=picture.width * picture.height) or []) > 100

    images = load_photographs().images[:4]
    tuned = rehub.KerasLayer(str(tmp_path / "out" / "tuned-model"))(images)
    published = rehub.KerasLayer(str(HUB_FOLDER / MODEL))(images)
    assert np.max(np.abs(np.asarray(tuned) - np.asarray(published))) > 1e-4


def test_draw_splits_photographs_evenly_and_apart() -> None:
    photographs = load_photographs()

    training, test = draw(photographs, 20, seed=3)

    assert len(training) == 20
    assert training.is_face.sum() == 10
    assert len(test) == 180
    seen = {image.tobytes() for image in training.pixels}
    assert seen.isdisjoint(image.tobytes() for image in test.pixels)


def test_draw_takes_others_when_the_seed_changes() -> None:
    photographs = load_photographs()

    first, second = draw(photographs, 20, seed=0)[0], draw(photographs, 20, seed=1)[0]

    assert not np.array_equal(first.pixels, second.pixels)
