from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import FormatError, PublishError
from rehub.publish.text_embeddings import Embedding, export_text_embeddings

CONTENT = "one 1 2\ntwo 3 4\nThree 5 6\nça 7 8\n"
ONE, TWO, THREE, CA, ZERO = ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [0.0, 0.0])
BOTH = ("tf1-hub", "saved-model")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text(CONTENT)
    return path


def embed(folder: Path, texts: list[str]) -> Any:
    """What the model of either format makes of texts."""
    if (folder / "tfhub_module.pb").exists():
        with hub.eval_function_for_module(folder) as module:
            return module(texts)
    return hub.load(str(folder))(tf.constant(texts)).numpy()


def export(source: Path, name: str, **options: Any) -> Path:
    """Returns the folder of a model in one format."""
    target = source.parent / "out"
    export_text_embeddings(source, target, Embedding(**options), [name])
    return target


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("combiner", ["mean", "sqrtn", "sum"])
def test_words_of_a_text_are_combined(source: Path, name: Any, combiner: Any) -> None:
    found = embed(export(source, name, combiner=combiner), ["one", "one  two\tone", "", "two\n"])
    many = np.add(np.multiply(2, ONE), TWO) / {"mean": 3, "sqrtn": 3**0.5, "sum": 1}[combiner]
    np.testing.assert_allclose(found, [ONE, many, ZERO, TWO], rtol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", BOTH)
def test_texts_are_taken_as_they_are_unless_asked(source: Path, name: Any) -> None:
    found = embed(export(source, name), ["Three", "three", "two!", "ça"])
    np.testing.assert_allclose(found, [THREE, ZERO, ZERO, CA])


@pytest.mark.parametrize("name", BOTH)
def test_texts_are_preprocessed_when_asked(source: Path, name: Any) -> None:
    folder = export(source, name, combiner="sum", preprocessing=("lower-case", "strip-punctuation"))
    found = embed(folder, ["ONE", "«one,two»…", "ÇA?", "Three"])
    np.testing.assert_allclose(found, [ONE, np.add(ONE, TWO), CA, ZERO])


@pytest.mark.parametrize("name", BOTH)
def test_unknown_words_count_only_where_they_have_buckets(source: Path, name: Any) -> None:
    found = embed(export(source, name, combiner="mean", oov_buckets=0), ["one other", "other"])
    np.testing.assert_allclose(found, [ONE, ZERO])
    target = source.parent / "more"
    export_text_embeddings(source, target, Embedding("mean", oov_buckets=3), [name])
    np.testing.assert_allclose(embed(target, ["one other", "other"]), [np.divide(ONE, 2), ZERO])
    (shape,) = (variable.shape for variable in hub.inspect(str(target)).meta_graphs[0].variables)
    assert shape == (7, 2)


def test_both_formats_are_written_to_folders_of_their_names(source: Path) -> None:
    target = source.parent / "out"
    content = export_text_embeddings(source, target)
    assert (len(content.words), content.dim) == (4, 2)
    assert {path.name for path in target.iterdir()} == set(BOTH)
    texts = ["one two", "what", "ça"]
    np.testing.assert_array_equal(*(embed(target / name, texts) for name in BOTH))
    for name in BOTH:
        info = hub.inspect(str(target / name))
        assert info.missing_files == ()
        assert info.meta_graphs[0].assets == ("vocabulary.txt",)
        assert [str(variable.name) for variable in info.meta_graphs[0].variables] == ["embeddings"]
        assert (target / name / "assets/vocabulary.txt").read_text() == "one\ntwo\nThree\nça\n"


def test_module_is_fine_tuned_with_the_bucket_of_unknown_words(source: Path) -> None:
    folder = export(source, "tf1-hub", combiner="sum")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        module = hub.Module(folder, trainable=True)
        loss = tf.reduce_sum(module(["one other"]))
        step = tf.compat.v1.train.GradientDescentOptimizer(1.0).minimize(loss)
        session.run([tf.compat.v1.global_variables_initializer(), tf.compat.v1.tables_initializer()])
        session.run(step)
        found = session.run(module.variable_map["embeddings"])
    assert found.tolist() == [[0.0, 1.0], TWO, THREE, CA, [-1.0, -1.0]]


def test_saved_model_is_fine_tuned_and_follows_the_interface(source: Path) -> None:
    model = hub.load(str(export(source, "saved-model", combiner="sum")))
    (variable,) = model.trainable_variables
    assert [each.name for each in model.variables] == [variable.name]
    assert set(model.signatures) == {"serving_default"}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.constant(["one other"])))
    gradient = tf.convert_to_tensor(tape.gradient(loss, variable))
    assert gradient.numpy().tolist() == [[1.0, 1.0], ZERO, ZERO, ZERO, [1.0, 1.0]]


def test_saved_model_serves_as_a_keras_layer(source: Path) -> None:
    layer = hub.KerasLayer(str(export(source, "saved-model")), trainable=True)
    assert np.asarray(layer(tf.constant(["two"]))).tolist() == [TWO]
    assert len(layer.trainable_weights) == 1


def test_module_serves_as_a_feature_column(source: Path) -> None:
    column = hub.text_embedding_column("text", export(source, "tf1-hub"))
    assert column.variable_shape.as_list() == [2]


def test_export_leaves_nothing_when_the_file_is_malformed(source: Path) -> None:
    source.write_text(CONTENT + "bad 1\n")
    with pytest.raises(FormatError, match="line 5: the count of numbers after 'bad' is 1, not 2"):
        export_text_embeddings(source, source.parent / "out")
    assert list(source.parent.iterdir()) == [source]


def test_export_refuses_a_folder_that_exists(source: Path) -> None:
    (source.parent / "out").mkdir()
    (source.parent / "out/mine").touch()
    with pytest.raises(PublishError, match="out' exists"):
        export_text_embeddings(source, source.parent / "out")
    with pytest.raises(PublishError, match="no format is given"):
        export_text_embeddings(source, source.parent / "other", formats=[])


def command(*arguments: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "rehub", "publish", "text-embeddings", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def test_command_makes_both_models_and_prints_their_folders(source: Path) -> None:
    source.write_text(CONTENT + "one 9 9\n")
    out = source.parent / "out"
    code, printed, told = command(source, out)
    assert (code, printed) == (0, f"{out / 'tf1-hub'}\n{out / 'saved-model'}\n")
    assert "warning: 1 line left out: the words are on earlier lines, which count.\n" in told
    assert "Made models of 4 words with 2 numbers each.\n" in told


def test_command_takes_all_options(source: Path) -> None:
    out = source.parent / "out"
    options = ["--format", "tf1-hub", "--oov-buckets", "0", "--combiner", "mean"]
    code, printed, _ = command(*options, "--preprocess", "lower-case", "--preprocess", "strip-punctuation", source, out)
    assert (code, printed) == (0, f"{out}\n")
    np.testing.assert_allclose(embed(out, ["ONE, two? what"]), [np.add(ONE, TWO) / 2])


def test_command_names_the_line_that_is_wrong(source: Path) -> None:
    source.write_text("one 1 2\ntwo 1 x\n")
    code, printed, told = command(source, source.parent / "out")
    assert (code, printed) == (1, "")
    assert f"error: '{source}', line 2: 'two' has 'x' among its 2 numbers.\nhint: Each line needs a word" in told


def test_models_are_written_to_places_that_tensorflow_alone_can_open(source: Path) -> None:
    target = f"ram://{source.parent.name}/out"
    export_text_embeddings(source, target, Embedding("sum"))
    np.testing.assert_allclose(hub.load(f"{target}/saved-model")(tf.constant(["one two"])), [np.add(ONE, TWO)])
    with hub.eval_function_for_module(f"{target}/tf1-hub") as module:
        np.testing.assert_allclose(module(["one two"]), [np.add(ONE, TWO)])
