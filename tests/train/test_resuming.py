"""A training that stops goes on, and comes to the result of one that did not."""

from __future__ import annotations

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
        self._line, self._looks, self._end = line, looks, end
        self._runs, self._now = False, time.monotonic()
        monkeypatch.setattr(time, "monotonic", self._look)

    def tell(self, line: str) -> None:
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
    """The training of `topic_classifier`, once more."""

    def run(**chosen: Any) -> Result:
        arguments = {"batch_size": 8, "epochs": 2, "tell": quiet, "output": tmp_path / "out", **chosen}
        return text_classifier(reviews, models / "words", **arguments)

    return run


@pytest.mark.parametrize("end", [KeyboardInterrupt, Killed])
def test_training_comes_to_the_same_result_after_interrupts(
    end: type[BaseException],
    train: Callable[..., Result],
    topic_classifier: Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    for line, looks in (("Running", 5), ("Training the head", 9), ("Training the head", 20), ("Fine-tuning", 4)):
        with monkeypatch.context() as patch:
            clock = Clock(patch, line, looks, end)
            with pytest.raises(end):
                train(tell=clock.tell)
        assert not (tmp_path / "out").exists()

    found = train(tell=lines.append)

    assert lines[0] == f"Going on with the training in '{tmp_path / 'out.unfinished'}'."
    assert not any(line.startswith(("Training the head", "Running")) for line in lines)
    assert found.metrics["epochs"] == topic_classifier.metrics["epochs"]
    for value, expected in zip(variables(found.model), variables(topic_classifier.model), strict=True):
        np.testing.assert_array_equal(value, expected)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_interrupt_tells_how_to_go_on(train: Callable[..., Result], tmp_path: Path) -> None:
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if line.startswith("fine-tuning, epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tell=stop)

    assert lines[-1].startswith(f"Stopped; what is done is kept in '{tmp_path / 'out.unfinished'}'. The same command")


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
