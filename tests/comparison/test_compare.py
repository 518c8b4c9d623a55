"""Which model wins, and what becomes of those that cannot take part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import ComparisonError, FormatError, SignatureError

Texts = tuple[list[str], list[str]]


def test_compare_ranks_the_better_model_first(models: Path, texts: Texts) -> None:
    found = hub.compare([models / "poor" / "1", models / "good" / "1"], texts)

    assert [row.name for row in found.rows] == ["good", "poor"]
    assert found.best.score > 0.9 > 0.8 > found.rows[1].score
    assert found.failures == ()
    assert (found.metric, found.classes, found.chance, found.examples) == ("accuracy", ("music", "sport"), 0.5, 60)


def test_compare_tells_what_a_model_costs(models: Path, texts: Texts) -> None:
    row = hub.compare([models / "good" / "1"], texts).best

    assert row.handle == str(models / "good" / "1")
    assert row.size_bytes == sum(file.stat().st_size for file in (models / "good" / "1").rglob("*") if file.is_file())
    assert (row.parameters, row.width) == (1000 * 32, 32)
    assert 0 < row.latency_s < 1
    assert 0 < row.load_s < 60


def test_compare_tries_what_was_published_where_loaded_models_are_kept(models: Path, texts: Texts) -> None:
    with hub.settings(memo=True):
        kept = hub.load(models / "twin" / "1")
        kept.vectors.assign(tf.zeros_like(kept.vectors))
        assert hub.compare([models / "twin" / "1"], texts).best.score > 0.9


def test_score_is_the_mean_of_the_folds(models: Path, texts: Texts) -> None:
    row = hub.compare([models / "poor" / "1"], texts, folds=3).best

    assert len(row.fold_scores) == 3
    assert row.score == pytest.approx(np.mean(row.fold_scores))
    assert row.standard_error == pytest.approx(np.std(row.fold_scores, ddof=1) / np.sqrt(3))


def test_folds_are_the_same_for_all_models(models: Path, texts: Texts) -> None:
    found = hub.compare([models / "twin" / "1", models / "poor" / "1", models / "good" / "1"], texts)

    scores = {row.name: row.fold_scores for row in found.rows}
    assert scores["twin"] == scores["good"]
    assert len(set(scores["poor"])) > 1, "all folds are alike, so that this shows nothing"


def test_seed_decides_the_folds(models: Path, texts: Texts) -> None:
    def scores(seed: int) -> tuple[float, ...]:
        return hub.compare([models / "poor" / "1"], texts, seed=seed).best.fold_scores

    assert scores(1) == scores(1)
    assert len({scores(seed) for seed in range(4)}) > 1


def test_model_that_fails_leaves_the_others_their_results(models: Path, texts: Texts) -> None:
    found = hub.compare([models / "sum" / "1", models / "good" / "1", models / "nothing" / "1", Path(__file__)], texts)

    assert [row.name for row in found.rows] == ["good/1"]
    assert isinstance(found.failures[0].error, SignatureError)
    assert isinstance(found.failures[1].error, FileNotFoundError)
    assert isinstance(found.failures[2].error, FormatError)
    assert "nothing/1 failed: " in str(found)


def test_compare_raises_when_all_models_fail(models: Path, texts: Texts) -> None:
    with pytest.raises(ComparisonError, match=r"(?s)None of 2 models.*\n  sum: .*\n  nothing: .* does not exist"):
        hub.compare([models / "sum" / "1", models / "nothing" / "1"], texts)
    with pytest.raises(FileNotFoundError):
        hub.compare([models / "nothing" / "1"], texts)


def test_options_choose_what_a_model_does(models: Path, texts: Texts) -> None:
    handle = str(models / "good" / "1")
    found = hub.compare(
        [(handle, {"signature": "both", "output_key": key}) for key in ("vectors", "lengths", "texts")], texts
    )

    assert [row.name for row in found.rows] == [
        "good/1, signature=both, output_key=vectors",
        "good/1, signature=both, output_key=lengths",
    ]
    assert [row.width for row in found.rows] == [32, 1]
    assert "no vector of numbers for each of 32 examples, but string" in str(found.failures[0].error)


def test_model_with_several_outputs_says_which_there_are(models: Path, texts: Texts) -> None:
    options = {"signature": "both", "signature_outputs_as_dict": True}

    with pytest.raises(SignatureError, match=r"several outputs: .*vectors.* option output_key"):
        hub.compare([(models / "good" / "1", options)], texts)


def test_names_are_those_that_are_given(models: Path, texts: Texts) -> None:
    found = hub.compare({"first": models / "good" / "1", "second": (models / "poor" / "1", {})}, texts)

    assert [row.name for row in found.rows] == ["first", "second"]


@pytest.mark.parametrize(
    ("handles", "message"),
    [
        ([], "There are no models to compare"),
        ("https://hub.invalid/a/b/1", "the handles are 'https"),
        ([7], "no model to compare: 7"),
        (["/a", "/a"], "'/a' is there twice"),
    ],
)
def test_compare_refuses_what_are_no_models(handles: Any, message: str, texts: Texts) -> None:
    with pytest.raises(ComparisonError, match=message):
        hub.compare(handles, texts)


def test_numbers_are_predicted_by_a_regression(models: Path, texts: Texts) -> None:
    counts = np.array([text.count("music") + 0.5 for text in texts[0]])
    found = hub.compare([models / "poor" / "1", models / "good" / "1"], (texts[0], counts))

    assert (found.metric, found.classes, found.chance) == ("R²", (), 0.0)
    assert [row.name for row in found.rows] == ["good", "poor"]
    assert found.best.score > 0.5 > found.rows[1].score


def test_task_decides_what_integers_are(models: Path, texts: Texts) -> None:
    labels = [int(label == "music") for label in texts[1]]

    assert hub.compare([models / "good" / "1"], (texts[0], labels)).classes == ("0", "1")
    assert hub.compare([models / "good" / "1"], (texts[0], np.array(labels, "float32"))).metric == "accuracy"
    assert hub.compare([models / "good" / "1"], (texts[0], labels), task="regression").metric == "R²"
    with pytest.raises(ComparisonError, match="predict as numbers are texts"):
        hub.compare([models / "good" / "1"], texts, task="regression")


@pytest.mark.parametrize("batch", [None, 7])
def test_tf_data_gives_the_same_as_lists(models: Path, texts: Texts, batch: int | None) -> None:
    dataset = tf.data.Dataset.from_tensor_slices(texts)
    by_dataset = hub.compare([models / "poor" / "1"], dataset if batch is None else dataset.batch(batch))

    by_lists = hub.compare([models / "poor" / "1"], texts)
    assert by_dataset.best.fold_scores == by_lists.best.fold_scores
    assert by_dataset.classes == by_lists.classes


def test_dict_of_inputs_reaches_a_model_that_takes_one(models: Path) -> None:
    random = np.random.default_rng(0)
    inputs = {"a": random.normal(size=(40, 2)), "b": random.normal(size=40)}
    total = inputs["a"].sum(axis=1) + inputs["b"]

    by_arrays = hub.compare([models / "sum" / "1"], (inputs, total), batch_size=16, max_examples=33)
    dataset = tf.data.Dataset.from_tensor_slices((inputs, total))

    assert (by_arrays.best.width, by_arrays.examples) == (1, 33)
    assert by_arrays.best.score == pytest.approx(1, abs=1e-6)
    assert hub.compare([models / "sum" / "1"], dataset).best.score == pytest.approx(1, abs=1e-6)


def test_max_examples_takes_the_same_share_of_each_class(models: Path, texts: Texts) -> None:
    found = hub.compare([models / "good" / "1"], texts, max_examples=22)

    assert (found.examples, found.chance) == (22, 0.5)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ((["a", "b"] * 5, ["x"] * 10), "All 10 examples are of the class 'x'"),
        ((["a", "b"] * 5, ["x", "y"] * 4), "There are 10 inputs and 8 labels"),
        ((["a", "b", "c"], ["x", "y", "x"]), r"fewer examples than there are folds, 5: 'x' \(2\), 'y' \(1\)"),
        ((["a", "b", "c"], [0.5, 1.5, 2.5]), "3 examples with labels from 0.5 to 2.5 are too few for 5 folds"),
        ((["a", "b", "c"] * 2, [0.5] * 6), "or all alike"),
        ((["a", "b", "c"], [1.0, np.nan, 2.0]), "NaN"),
        ((["a", "b"], [[1, 0], [0, 1]]), r"shape \[2, 2\].*np.argmax"),
        (([], []), r"shape \[0\]"),
        (["a", "b", "c"], "is a list, not inputs with labels"),
    ],
)
def test_compare_refuses_examples_that_show_nothing(dataset: Any, message: str, models: Path) -> None:
    with pytest.raises(ComparisonError, match=message):
        hub.compare([models / "good" / "1"], dataset)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tf.data.Dataset.from_tensor_slices(["a"]), "no pairs of inputs and label"),
        (lambda: tf.data.Dataset.from_tensors(("a", 1)).repeat(), r"no end.*take"),
        (lambda: tf.data.Dataset.from_tensors(("a", 1)).take(0), "is empty"),
    ],
)
def test_compare_refuses_datasets_that_show_nothing(make: Callable[[], Any], message: str, models: Path) -> None:
    with pytest.raises(ComparisonError, match=message):
        hub.compare([models / "good" / "1"], make())


@pytest.mark.parametrize("option", [{"folds": 1}, {"batch_size": 0}, {"max_examples": 1}])
def test_compare_refuses_options_that_make_no_sense(option: dict[str, int], models: Path, texts: Texts) -> None:
    ((name, value),) = option.items()
    with pytest.raises(ComparisonError, match=f"{name} is {value}"):
        hub.compare([models / "good" / "1"], texts, **option)  # type: ignore[arg-type]
