"""`hub.KerasLayer` in a ``tf.Graph`` with a session, with either version of Keras."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from .conftest import DATA, initialize
from .test_load import INITIALIZED, ROWS, filled_collections

v1 = tf.compat.v1
IS_KERAS_3 = hasattr(tf.keras, "version")
KERNEL, OFFSET = [1.0, 2.0, 3.0], 1.0


def test_layer_runs_on_placeholders_arrays_and_lists(folder, session):
    layer, x = hub.KerasLayer(folder / "scale"), v1.placeholder(tf.float32, [None, 3])
    outputs = [layer(x), layer(ROWS), layer(ROWS.tolist())]
    initialize(session)

    for output in session.run(outputs, {x: ROWS}):
        np.testing.assert_array_equal(output, ROWS * KERNEL + OFFSET)


def test_layer_of_strings_runs_with_its_tables(folder, session):
    layer, sentences = hub.KerasLayer(folder / "text"), v1.placeholder(tf.string, [None])
    outputs, direct = layer(sentences), layer.resolved_object(sentences)
    initialize(session)

    values = session.run([outputs, direct], {sentences: ["good film", "bad"]})
    np.testing.assert_array_equal(*values)


def test_layer_fills_only_the_collections_of_initializers(folder, graph):
    layer = hub.KerasLayer(folder / "image", trainable=not IS_KERAS_3)
    outputs = layer(v1.placeholder(tf.float32, [None, 8, 8, 3]), training=True)
    tf.gradients(outputs, list(layer.resolved_object.trainable_variables))

    assert {"variables"} <= filled_collections(graph) <= INITIALIZED
    assert len(layer.losses) == (0 if IS_KERAS_3 else 2)


def test_layer_calls_a_signature_of_a_tf1_graph(folder, session):
    layer = hub.KerasLayer(folder / "tagged", tags=["foo", "bar"], signature="sig", output_key="scaled")
    outputs = layer({"x1": tf.constant([2.0]), "x2": tf.constant([0.0])})
    initialize(session)

    assert session.run(outputs).tolist() == [6.0]


def test_layer_calls_a_tf1_hub_model(session):
    plain = hub.KerasLayer(DATA / "tf1_hub" / "half_plus_two")([10.0, 20.0])
    dicts = hub.KerasLayer(DATA / "tf1_hub" / "half_plus_two", signature_outputs_as_dict=True)([10.0])
    chosen = hub.KerasLayer(DATA / "tf1_hub" / "rich", tags=["train"], signature="two_in", output_key="sum")
    summed = chosen({"a": tf.ones([1, 3]), "b": tf.ones([1, 3])})
    initialize(session)

    assert session.run(plain).tolist() == [7.0, 12.0]
    assert session.run(dicts)["default"].tolist() == [7.0]
    assert session.run(summed).shape == (1, 3)


def test_gradients_pass_through_a_frozen_layer(folder, session):
    layer, x = hub.KerasLayer(folder / "scale"), v1.placeholder(tf.float32, [None, 3])
    gradient = tf.gradients(layer(x), x)[0]
    initialize(session)

    np.testing.assert_array_equal(session.run(gradient, {x: ROWS}), [KERNEL, KERNEL])


def test_functional_model_runs_on_tensors_of_the_graph(folder, session):
    inputs = tf.keras.Input([3])
    dense = tf.keras.layers.Dense(1, kernel_initializer="ones")
    model = tf.keras.Model(inputs, dense(hub.KerasLayer(folder / "scale")(inputs)))
    outputs = model(tf.constant(ROWS))
    initialize(session)

    np.testing.assert_allclose(session.run(outputs)[:, 0], (ROWS * KERNEL + OFFSET).sum(1), rtol=1e-6)


def test_declared_output_shape_is_known(folder):
    layer = hub.KerasLayer(folder / "scale", output_shape=[3])
    assert layer(tf.constant(ROWS)).shape.as_list() == [2, 3]
    assert [*tf.TensorShape(layer.compute_output_shape((2, 3))).as_list()] == [2, 3]


def test_configuration_makes_the_same_layer(folder, session):
    layer = hub.KerasLayer(str(folder / "scale"), signature="both", output_key="sum")
    outputs = hub.KerasLayer.from_config(layer.get_config())(ROWS)
    initialize(session)

    np.testing.assert_array_equal(session.run(outputs), ROWS + np.array(KERNEL))


def test_input_that_does_not_fit_is_described_in_numbers(folder):
    with pytest.raises(hub.errors.SignatureError) as info:
        hub.KerasLayer(folder / "scale")(np.ones([2, 4], "float32"))
    assert "(float32[2, 4], training=False)" in info.value.message
    assert "float32[?, 3]" in info.value.message
    assert "the input has size 4 along axis 1, not 3" in info.value.message


def test_layer_of_another_graph_is_refused(folder):
    with tf.Graph().as_default():
        layer = hub.KerasLayer(folder / "scale")
    with pytest.raises(hub.errors.UsageError, match=r"was loaded in a tf\.Graph and is used in another one"):
        layer(ROWS)


def test_function_that_the_graph_calls_may_use_the_layer(folder, session):
    layer = hub.KerasLayer(folder / "scale")
    outputs = tf.function(lambda x: layer(x) * 2.0)(tf.constant(ROWS))
    initialize(session)

    np.testing.assert_array_equal(session.run(outputs), 2.0 * (ROWS * KERNEL + OFFSET))


if IS_KERAS_3:

    def test_training_in_a_graph_is_refused_with_what_to_do_by_keras_3(folder):
        layer = hub.KerasLayer(folder / "scale")
        with pytest.raises(hub.errors.UsageError, match="Keras 3 trains no models") as info:
            layer.trainable = True
        assert "TF_USE_LEGACY_KERAS=1" in info.value.hint
        with pytest.raises(hub.errors.UsageError, match="Keras 3 trains no models"):
            hub.KerasLayer(folder / "scale", trainable=True)
