"""A training that stops goes on, and comes to the result of one that did not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rehub as hub
from rehub.errors import UsageError
from rehub.train import Result, text_classifier
from tests.train.conftest import quiet, save_texts, texts


class Killed(BaseException):
    """Ends a training as a kill does: nothing of rehub's knows it."""


class Clock:
    """A clock that runs fast from some line on, and ends the training when it was looked at so often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, line: str, looks: int, end: type[BaseException]) -> None:
        self.lines: list[str] = []
        self._line, self._looks, self._end = line, looks, end
        self._runs, self._now = False, time.monotonic()
        monkeypatch.setattr(time, "monotonic", self._look)

    def tell(self, line: str) -> None:
        self.lines.append(line)
        self._runs = self._runs or line.startswith(self._line)

    def _look(self) -> float:
        if self._runs:
            self._looks -= 1
            if not self._looks:
                self._runs = False
                raise self._end
        self._now += 100
        return self._now


def variables(model: Path) -> list[Any]:
    return [variable.numpy() for variable in hub.load(str(model)).variables]


@pytest.fixture
def train(reviews: Path, models: Path, tmp_path: Path) -> Callable[..., Result]:
    """The training of `topics`, once more."""

    def run(**chosen: Any) -> Result:
        arguments = {"batch_size": 24, "epochs": 2, "tell": quiet, "output": tmp_path / "out", **chosen}
        return text_classifier(reviews, models / "words", **arguments)

    return run


def test_training_comes_to_the_same_result_after_interrupts_and_kills(
    train: Callable[..., Result], topics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    for line, looks, end in (
        ("Running", 3, Killed),
        ("Training the head", 18, KeyboardInterrupt),
        ("Fine-tuning", 4, Killed),
    ):
        with monkeypatch.context() as patch:
            clock = Clock(patch, line, looks, end)
            with pytest.raises(end):
                train(tell=clock.tell)
        assert not list((tmp_path / "out").iterdir())
        if end is KeyboardInterrupt:
            kept = tmp_path / "out.unfinished"
            assert clock.lines[-1].startswith(f"Stopped; what is done is kept in '{kept}'. The same command goes on")

    lines: list[str] = []
    found = train(tell=lines.append)

    assert lines[0] == f"Going on with the training in '{tmp_path / 'out.unfinished'}'."
    assert not any(line.startswith(("Training the head", "Running")) for line in lines)
    assert found.metrics["epochs"] == json.loads((topics / "metrics.json").read_text())["epochs"]
    for value, expected in zip(variables(found.model), variables(topics / "model"), strict=True):
        np.testing.assert_array_equal(value, expected)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_training_refuses_to_go_on_with_other_arguments(
    train: Callable[..., Result], tmp_path: Path, models: Path
) -> None:
    table = save_texts(tmp_path / "data.csv", texts(12))

    def stop(line: str) -> None:
        if line.startswith("Training the head"):
            raise KeyboardInterrupt

    def run(**chosen: Any) -> Result:
        arguments = {"output": tmp_path / "other", "tell": stop, **chosen}
        return text_classifier(table, models / "words", **arguments)

    with pytest.raises(KeyboardInterrupt):
        run()

    with pytest.raises(UsageError, match="other arguments: epochs was null, is 9; seed was 0, is 1"):
        run(epochs=9, seed=1)
    save_texts(table, texts(14))
    with pytest.raises(UsageError, match="other arguments: examples was"):
        run()


def test_two_trainings_of_one_output_are_refused(train: Callable[..., Result], tmp_path: Path) -> None:
    def train_again(line: str) -> None:
        if line.startswith("Loading"):
            with pytest.raises(UsageError, match=r"Another process trains '.*out' at this moment"):
                train()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tell=train_again)
