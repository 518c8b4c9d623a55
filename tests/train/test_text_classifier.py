"""A table of texts with labels becomes a classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import SignatureError, TrainingError
from rehub.train import Result, text_classifier
from tests.train.conftest import TOPICS, quiet, save_texts, texts
from tests.train.test_image_classifier import checked

TF1 = Path(__file__).parents[1] / "data" / "tf1_hub"


@pytest.fixture
def train(models: Path, tmp_path: Path) -> Callable[..., Result]:
    def run(data: Path, **chosen: Any) -> Result:
        return text_classifier(
            data, **{"handle": models / "words", "output": tmp_path / "out", "tell": quiet, **chosen}
        )

    return run


def test_classifier_tells_texts_apart_without_rehub(topics: Path) -> None:
    served = tf.saved_model.load(str(topics / "model")).signatures["serving_default"]

    outputs = served(texts=tf.constant(["sport1 word1", "music1 word2"]))

    assert outputs["label"].numpy().tolist() == [b"sport", b"music"]
    assert outputs["probabilities"].shape == (2, len(TOPICS))
    assert (topics / "labels.txt").read_text() == "music\nsport\n"


@pytest.mark.slow
def test_classifier_passes_the_check_for_publishers(topics: Path) -> None:
    report = checked(topics / "model")

    assert report.errors == 0
    assert {finding.code for finding in report.findings} == {"W605"}


def test_classifier_is_a_layer_that_takes_texts(topics: Path) -> None:
    layer = hub.KerasLayer(str(topics / "model"), trainable=True)

    assert layer(tf.constant(["sport1", "music1", "other"])).shape == (3, 2)
    assert len(layer.trainable_variables) == 3


def test_training_takes_a_tf1_hub_module_other_columns_tabs_and_other_texts_for_the_validation(tmp_path: Path) -> None:
    names = ("subject", "folder")
    table = save_texts(tmp_path / "mails.tsv", texts(12), names)
    others = save_texts(tmp_path / "others.csv", texts(6, seed=1), names)

    found = text_classifier(
        table,
        TF1 / "text_vocab",
        tmp_path / "out",
        validation=others,
        text_column="subject",
        label_column="folder",
        fine_tune=False,
        epochs=2,
        tell=quiet,
    )

    assert found.classes == TOPICS
    assert (found.metrics["training_examples"], found.metrics["validation_examples"]) == (12, 6)
    assert [(each["stage"], each["number"]) for each in found.metrics["epochs"]] == [
        ("head", 0),
        ("head", 1),
        ("head", 2),
    ]
    served = tf.saved_model.load(str(found.model)).signatures["serving_default"]
    assert served(texts=tf.constant(["music1 word1"]))["probabilities"].shape == (1, 2)


@pytest.mark.parametrize(
    ("rows", "headings", "message"),
    [
        (texts(4), ("texts", "label"), "has no column 'text'; it has 'texts', 'label'"),
        (texts(4), ("text", "labels"), "has no column 'label'; it has 'text', 'labels'"),
        (
            [("a", "x"), ("b", " "), ("c", "")],
            ("text", "label"),
            "lines without a label, 2 in all; the first is line 3",
        ),
        ([("a", "x"), ("b", "x")], ("text", "label"), "All 2 examples in '.*' are of one class, 'x'"),
        ([], ("text", "label"), "There are no examples in"),
        ([("a", "x\ny"), ("b", "x")], ("text", "label"), r"line 3, has the label 'x\\ny'"),
    ],
)
def test_training_refuses_a_table_that_does_not_fit(
    rows: list[tuple[str, str]],
    headings: tuple[str, str],
    message: str,
    tmp_path: Path,
    train: Callable[..., Result],
) -> None:
    with pytest.raises(TrainingError, match=message):
        train(save_texts(tmp_path / "data.csv", rows, headings))


def test_training_names_lines_with_empty_texts(tmp_path: Path, train: Callable[..., Result]) -> None:
    table = save_texts(tmp_path / "data.csv", [*texts(8), ("", "music"), ("  ", "sport")])

    with pytest.raises(TrainingError, match="2 texts are empty") as caught:
        train(table)

    assert caught.value.broken == ("line 10", "line 11")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.csv", "text,label\nf\xfcr,x\n".encode("latin-1"), "cannot be read"),
        ("data.csv", b'text,label\n"never ends,x\n', "cannot be read"),
        ("data.json", b"{}", "is no table that is read here"),
        ("missing.csv", None, "cannot be read"),
    ],
)
def test_training_refuses_a_file_that_cannot_be_read(
    name: str, content: bytes | None, message: str, tmp_path: Path, train: Callable[..., Result]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingError, match=message):
        train(tmp_path / name)


def test_training_refuses_a_model_that_takes_no_texts(
    models: Path, reviews: Path, train: Callable[..., Result]
) -> None:
    with pytest.raises(SignatureError, match="a text classifier needs a model that takes string"):
        train(reviews, handle=models / "colours")
