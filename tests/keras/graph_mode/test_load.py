"""``hub.load`` in a ``tf.Graph`` with a session."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.documents.models import IMAGE_SIZE, VOCABULARY

from .conftest import DATA, initialize

v1 = tf.compat.v1
IMAGES = np.linspace(0.0, 1.0, 4 * IMAGE_SIZE * IMAGE_SIZE * 3, dtype="float32").reshape(4, IMAGE_SIZE, IMAGE_SIZE, 3)
ROWS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "float32")
# What TensorFlow itself puts there, so that the initializers find it.
INITIALIZED = {"variables", "table_initializer", "saved_model_initializers", "asset_filepaths"}


def filled_collections(graph):
    return {name for name in graph.get_all_collection_keys() if graph.get_collection(name)}


def published(folder, name):
    """The value of the one variable in a checkpoint whose key starts with a name."""
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    keys = [key for key in reader.get_variable_to_shape_map() if key.startswith(f"{name}/.ATTRIBUTES")]
    return reader.get_tensor(keys[0])


def test_object_runs_after_both_initializers(folder, session):
    m = hub.load(folder / "text")
    sentences = v1.placeholder(tf.string, [None])
    outputs = m(sentences)
    initialize(session)

    embeddings = published(folder / "text", "embeddings")
    expected = [embeddings[[VOCABULARY.index(word) for word in words]].mean(0) for words in (["good", "film"], ["bad"])]
    np.testing.assert_allclose(session.run(outputs, {sentences: ["Good film!", "bad"]}), expected, rtol=1e-6)


def test_object_runs_in_the_mode_that_is_asked_for(folder, session):
    m = hub.load(folder / "image")
    inference, training = m(tf.constant(IMAGES)), m(tf.constant(IMAGES), training=True)
    initialize(session)

    before = session.run(inference)
    assert not session.run(m.moving_mean).any()
    assert (session.run(training) == 0.0).any()
    assert session.run(m.moving_mean).any()
    assert (session.run(inference) != before).any()


def test_variables_initializer_reads_the_published_values_again(folder, session):
    m = hub.load(folder / "scale")
    initialize(session)
    session.run(m.kernel.assign([7.0, 7.0, 7.0]))
    assert session.run(m.kernel).tolist() == [7.0, 7.0, 7.0]

    session.run(v1.global_variables_initializer())
    assert session.run(m.kernel).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("name", ["image", "text", "scale", "tagged"])
def test_load_and_call_fill_only_the_collections_of_initializers(folder, graph, name):
    m = hub.load(folder / name)
    for signature in m.signatures.values():
        specs = signature.structured_input_signature[1].items()
        signature(**{key: v1.placeholder(spec.dtype, spec.shape) for key, spec in specs})
    assert {"variables"} <= filled_collections(graph) <= INITIALIZED


def test_signatures_run(folder, session):
    m = hub.load(folder / "scale")
    outputs = m.signatures["both"](x=tf.constant(ROWS))
    initialize(session)

    np.testing.assert_array_equal(session.run(outputs["product"]), ROWS * [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(session.run(outputs["sum"]), ROWS + np.array([1.0, 2.0, 3.0]))


def test_optimizer_of_tf1_takes_a_step_on_the_variables(folder, session):
    m = hub.load(folder / "scale")
    loss = tf.reduce_sum(m(tf.constant(ROWS), training=True)) + m.regularization_losses[0]()
    step = v1.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=m.trainable_variables)
    initialize(session)
    session.run(step)

    np.testing.assert_allclose(session.run(m.kernel), [1.0, 2.0, 3.0] - 0.1 * (2.0 * ROWS.sum(0) + 1.0), rtol=1e-6)


def test_saver_writes_and_restores_two_copies_of_one_model(folder, session, tmp_path):
    one, other = hub.load(folder / "scale"), hub.load(folder / "scale")
    saver = v1.train.Saver()
    initialize(session)
    session.run(one.kernel.assign([7.0, 7.0, 7.0]))
    path = saver.save(session, str(tmp_path / "values"))
    initialize(session)
    saver.restore(session, path)

    assert session.run(one.kernel).tolist() == [7.0, 7.0, 7.0]
    assert session.run(other.kernel).tolist() == [1.0, 2.0, 3.0]


def test_tf1_graph_is_called_by_tags_and_signature(folder, session):
    m = hub.load(folder / "tagged", tags={"foo", "bar"})
    outputs = m.signatures["sig"](x1=tf.constant([1.0]), x2=tf.constant([2.0]))
    initialize(session)

    values = session.run(outputs)
    assert (values["sum"].tolist(), values["scaled"].tolist()) == ([3.0], [3.0])


def test_tf1_hub_model_has_its_graph_for_training_and_its_tables(session):
    inference, training = (hub.load(DATA / "tf1_hub" / "rich", tags=tags) for tags in ([], ["train"]))
    x = tf.ones([64, 4])
    outputs = [m.signatures["default"](x)["default"] for m in (inference, training)]
    ids = hub.load(DATA / "tf1_hub" / "text_vocab").signatures["ids"](tf.constant(["a", "b"]))
    initialize(session)

    first, second = session.run(outputs)
    assert (first != second).any()
    assert (session.run(next(iter(ids.values()))) >= 0).all()


def test_unknown_tags_are_answered_with_those_that_exist(folder):
    with pytest.raises(hub.errors.SignatureError, match=r"Choose one by its tags: \['bar', 'foo'\]"):
        hub.load(folder / "tagged", tags=["serve"])


def test_saved_model_save_writes_the_values_of_the_session(folder, session, tmp_path):
    m, text = hub.load(folder / "scale"), hub.load(folder / "text")
    initialize(session)
    session.run(m.kernel.assign([4.0, 5.0, 6.0]))
    tf.saved_model.save(m, str(tmp_path / "scale"))
    tf.saved_model.save(text, str(tmp_path / "text"))

    with tf.Graph().as_default(), v1.Session() as other:
        m = hub.load(tmp_path / "scale")
        outputs = m.signatures["serving_default"](tf.constant(ROWS))["product"]
        text = hub.load(tmp_path / "text")(tf.constant(["film"]))
        initialize(other)
        np.testing.assert_array_equal(other.run(outputs), ROWS * [4.0, 5.0, 6.0])
        embeddings = published(folder / "text", "embeddings")
        np.testing.assert_allclose(other.run(text)[0], embeddings[VOCABULARY.index("film")], rtol=1e-6)


def test_saved_model_save_writes_a_new_model(session, tmp_path):
    class Doubler(tf.Module):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable(1.0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, x):
            return x * self.factor

    doubler = Doubler()
    initialize(session)
    session.run(doubler.factor.assign(2.0))
    tf.saved_model.save(doubler, str(tmp_path / "doubler"))

    outputs = hub.load(tmp_path / "doubler")(tf.constant([1.0, 4.0]))
    initialize(session)
    assert session.run(outputs).tolist() == [2.0, 8.0]


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.deepcopy])
def test_object_of_a_graph_says_that_it_cannot_be_pickled_or_copied(folder, duplicate):
    m = hub.load(folder / "scale")
    with pytest.raises(hub.errors.UsageError, match="its values live in a session") as info:
        duplicate(m)
    assert "tf.saved_model.save" in info.value.hint


def test_table_that_dies_adds_nothing_to_its_graph(folder, graph):
    """If it did while the graph makes another op, the program would stop for good."""
    m = hub.load(folder / "text")
    m(tf.constant(["film"]))
    operations = len(graph.get_operations())
    del m
    gc.collect()

    assert len(graph.get_operations()) == operations


def test_memo_keeps_no_object_of_a_graph(folder):
    with hub.settings(memo=True):
        assert hub.load(folder / "scale") is not hub.load(folder / "scale")
