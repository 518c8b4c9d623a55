"""Layers of models of TensorFlow 1, which are made objects of TensorFlow 2."""

from __future__ import annotations

import copy
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
import tests.conformance  # noqa: F401 - makes two devices
from tests.tf1 import modules
from tests.tf1.oracle import load_all

v1 = tf.compat.v1

MODULES = {module.path.name: module for module in load_all()}
DATA = Path(__file__).parents[1] / "data"
RICH = MODULES["rich"]
HIDDEN = "hidden/add"
STEPS = 3
LEARNING_RATE = 0.05


@pytest.fixture
def batch() -> Any:
    return np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


def expected_steps(name: str, signature: str, inputs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Losses of SGD on the mean square, and the trained variables, by ``hub.Module`` in a session."""
    tags = {"train"} if frozenset({"train"}) in MODULES[name].tags else set()
    with tf.Graph().as_default():
        module = hub.Module(str(MODULES[name].path), trainable=True, tags=tags)
        outputs = module(tf.constant(inputs), signature=signature)
        loss = v1.add_n([tf.reduce_mean(tf.square(outputs)), *v1.losses.get_regularization_losses()])
        step = v1.train.GradientDescentOptimizer(LEARNING_RATE).minimize(loss)
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        with v1.Session() as session:
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            losses = [session.run([loss, step, updates])[0] for _ in range(STEPS)]
            return losses, {name: session.run(variable) for name, variable in module.variable_map.items()}


@pytest.mark.parametrize("name", ["rich", "v1_layers", "refvars"])
def test_fit_trains_as_a_session_does(name: str) -> None:
    inputs = next(iter(MODULES[name].cases[0].inputs.values()))
    layer = hub.KerasLayer(str(MODULES[name].path), trainable=True)
    model = tf.keras.Sequential([layer])
    model.compile(tf.keras.optimizers.SGD(LEARNING_RATE), lambda _, outputs: tf.reduce_mean(tf.square(outputs)))
    history = model.fit(inputs, np.zeros(len(inputs)), batch_size=len(inputs), epochs=STEPS, verbose=0, shuffle=False)
    losses, trained = expected_steps(name, "default", inputs)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)
    for variable in layer.resolved_object.variables:
        np.testing.assert_allclose(variable, trained[variable.name.partition(":")[0]], rtol=1e-4, atol=1e-6)


def test_layer_calls_the_variant_for_training_only_while_it_trains(batch: Any) -> None:
    layer = hub.KerasLayer(str(RICH.path), trainable=True)
    before = [variable.numpy() for variable in layer.resolved_object.variables]
    layer(batch)
    assert all(map(np.array_equal, before, layer.resolved_object.variables))
    assert not np.allclose(layer(batch), layer(batch, training=True))
    layer.trainable = False
    moved = [variable.numpy() for variable in layer.resolved_object.variables]
    assert not all(map(np.array_equal, before, moved))
    layer(batch, training=True)
    assert all(map(np.array_equal, moved, layer.resolved_object.variables))


def test_layer_with_several_inputs_and_outputs_trains() -> None:
    layer = hub.KerasLayer(str(RICH.path), signature="two_in", signature_outputs_as_dict=True, trainable=True)
    outputs = layer({"a": tf.ones([2, 3]), "b": tf.ones([2, 3])}, training=True)
    assert set(outputs) == set(RICH.signatures[frozenset({"train"})]["two_in"]["outputs"])


def test_arguments_are_further_inputs_of_the_signature() -> None:
    layer = hub.KerasLayer(str(RICH.path), signature="two_in", output_key="sum", arguments={"b": [[1.0, 2.0, 3.0]]})
    both = hub.KerasLayer(str(RICH.path), signature="two_in", output_key="sum")
    a = tf.constant([[1.0, 1.0, 1.0]])
    np.testing.assert_array_equal(layer(a), both({"a": a, "b": tf.constant([[1.0, 2.0, 3.0]])}))


def test_pickled_or_copied_layer_keeps_the_tuned_values(batch: Any) -> None:
    layer = hub.KerasLayer(str(RICH.path), trainable=True)
    layer.resolved_object.trainable_variables[0].assign_add(tf.ones_like(layer.resolved_object.trainable_variables[0]))
    for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        np.testing.assert_allclose(other(batch), layer(batch), rtol=1e-6)
        assert other.trainable


def test_pickled_object_keeps_the_tuned_values(batch: Any) -> None:
    layer = hub.KerasLayer(str(RICH.path), trainable=True)
    changed = layer.resolved_object.trainable_variables[-1]
    changed.assign_add(tf.ones_like(changed))
    again = pickle.loads(pickle.dumps(layer.resolved_object))
    np.testing.assert_allclose(again(batch), layer(batch), rtol=1e-6)
    np.testing.assert_allclose(again(batch, training=True), layer(batch, training=True), rtol=1e-5)


def test_saved_object_is_a_reusable_model_that_trains_on(batch: Any, tmp_path: Path) -> None:
    layer = hub.KerasLayer(str(RICH.path), trainable=True)
    layer.resolved_object.trainable_variables[0].assign_add(tf.ones_like(layer.resolved_object.trainable_variables[0]))
    tf.saved_model.save(layer.resolved_object, str(tmp_path / "tuned"))
    again = hub.KerasLayer(str(tmp_path / "tuned"), trainable=True)
    np.testing.assert_allclose(again(batch), layer(batch), rtol=1e-6)
    np.testing.assert_allclose(again(batch, training=True), layer(batch, training=True), rtol=1e-5)
    assert len(again.trainable_weights) == len(layer.trainable_weights)
    np.testing.assert_allclose(again.losses, layer.losses, rtol=1e-6)


def test_model_with_the_layer_is_saved_and_loaded(batch: Any, tmp_path: Path) -> None:
    model = tf.keras.Sequential([hub.KerasLayer(str(RICH.path), trainable=True), tf.keras.layers.Dense(2)])
    expected = model.predict(batch, verbose=0)
    model.save(str(tmp_path / "model.keras"))
    again = tf.keras.models.load_model(str(tmp_path / "model.keras"), safe_mode=False)
    np.testing.assert_allclose(again.predict(batch, verbose=0), expected, rtol=1e-5)
    tf.saved_model.save(model, str(tmp_path / "served"))
    (output,) = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"](tf.constant(batch)).values()
    np.testing.assert_allclose(output, expected, rtol=1e-5)


def test_text_module_trains_its_embeddings() -> None:
    layer = hub.KerasLayer(str(MODULES["text_vocab"].path), trainable=True)
    with tf.GradientTape() as tape:
        outputs = layer(["the cat", "a dog"], training=True)
    gradients = tape.gradient(outputs, layer.resolved_object.trainable_variables)
    assert any(gradient is not None for gradient in gradients)


def test_saved_model_of_tf1_trains() -> None:
    layer = hub.KerasLayer(
        str(DATA / "saved_models" / "graphs"),
        tags=["serve"],
        signature="serving_default",
        output_key="y",
        trainable=True,
    )
    with tf.GradientTape() as tape:
        outputs = layer(tf.constant([[1.0, 2.0]]), training=True)
    gradients = tape.gradient(outputs, layer.resolved_object.trainable_variables)
    assert gradients
    assert all(gradient is not None for gradient in gradients)


def test_replicas_average_the_statistics(batch: Any) -> None:
    halves = batch[:4], batch[4:]
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = hub.KerasLayer(str(RICH.path), trainable=True)
    given = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(halves[context.replica_id_in_sync_group])
    )
    tf.function(lambda x: strategy.run(lambda each: layer(each, training=True), [x]))(given)
    alone = [hub.KerasLayer(str(RICH.path), trainable=True) for _ in halves]
    for each, half in zip(alone, halves, strict=True):
        each(half, training=True)
    expected = zip(*(each.resolved_object.variables for each in alone), strict=True)
    for variable, values in zip(layer.resolved_object.variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), np.mean(values, axis=0), rtol=1e-5, atol=1e-6)


@pytest.fixture
def unliftable(tmp_path: Path) -> str:
    """A module that calls Python."""

    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [None])
        scale = v1.get_variable("scale", initializer=2.0)
        (y,) = v1.py_func(lambda value: value * 3, [x], [tf.float32])
        y.set_shape([None])
        hub.add_signature(inputs=x, outputs=y * scale)

    return str(modules.export(hub, hub.create_module_spec(module_fn), tmp_path / "python"))


@pytest.mark.parametrize("name", ["rich", "image", "loops_v1", "loops_v2", "control_flow_v2", "rnn_v1", "tables"])
def test_layer_returns_what_inspect_lists_and_nothing_else(name: str) -> None:
    graphs = hub.inspect(str(MODULES[name].path), endpoints=True).meta_graphs
    listed = [{each.name for each in graph.activations.get("default", ())} for graph in graphs]
    with pytest.raises(hub.errors.SignatureError) as info:
        hub.KerasLayer(str(MODULES[name].path), output_key="no such thing")
    assert set(info.value.tensors) == set.intersection(*listed)
    inputs = MODULES[name].cases[0].inputs
    for tensor in info.value.tensors:
        layer = hub.KerasLayer(str(MODULES[name].path), output_key=tensor)
        assert layer({key: tf.constant(value) for key, value in inputs.items()}).dtype.is_floating


def test_inner_tensor_is_what_a_session_computes(batch: Any) -> None:
    layer = hub.KerasLayer(str(RICH.path), output_key=HIDDEN)
    with tf.Graph().as_default() as graph, v1.Session() as session:
        hub.Module(str(RICH.path), name="module")(tf.constant(batch))
        session.run(v1.global_variables_initializer())
        expected = session.run(graph.get_tensor_by_name(f"module_apply_default/{HIDDEN}:0"))
    np.testing.assert_allclose(layer(batch), expected, rtol=1e-6)
    assert tuple(layer.compute_output_shape((None, 4))) == (None, *expected.shape[1:])


def test_inner_tensor_trains_the_variables_that_it_depends_on(batch: Any) -> None:
    layer = hub.KerasLayer(str(RICH.path), output_key=HIDDEN, trainable=True)
    whole = hub.KerasLayer(str(RICH.path), trainable=True)
    assert 0 < len(layer.trainable_weights) < len(whole.trainable_weights)
    with tf.GradientTape() as tape:
        outputs = layer(batch, training=True)
    gradients = tape.gradient(outputs, list(layer.resolved_object.trainable_variables))
    assert sum(gradient is not None for gradient in gradients) == len(layer.trainable_weights)


def test_module_without_its_values_is_refused(tmp_path: Path) -> None:
    shutil.copytree(RICH.path, tmp_path / "module")
    shutil.rmtree(tmp_path / "module" / "variables")
    with pytest.raises(hub.errors.FormatError, match="no checkpoint"):
        hub.KerasLayer(str(tmp_path / "module"), trainable=True)


def test_op_policy_looks_at_the_variant_for_training_too(tmp_path: Path) -> None:
    def module_fn(training: bool) -> None:
        x = v1.placeholder(tf.float32, [None])
        scale = v1.get_variable("scale", initializer=2.0)
        with tf.control_dependencies([tf.io.write_file("/nowhere", "text")] if training else []):
            hub.add_signature(inputs=x, outputs=x * scale)

    spec = hub.create_module_spec(module_fn, [(set(), {"training": False}), ({"train"}, {"training": True})])
    folder = modules.export(hub, spec, tmp_path / "writer")
    with hub.settings(op_policy="refuse"):
        for act in (
            lambda: hub.KerasLayer(str(folder), trainable=True),
            lambda: hub.KerasLayer(str(folder)),
            lambda: hub.convert(folder, tmp_path / "converted"),
        ):
            with pytest.raises(hub.errors.PolicyError, match="WriteFile"):
                act()


REACHES_OUT = pytest.mark.filterwarnings("ignore::rehub.runtime.policy.PolicyWarning")


@REACHES_OUT
def test_op_that_cannot_be_lifted_is_named_when_the_layer_is_to_train(unliftable: str) -> None:
    with pytest.raises(hub.errors.ConversionError, match="PyFunc") as info:
        hub.KerasLayer(unliftable, trainable=True)
    assert info.value.ops == ("PyFunc",)


@REACHES_OUT
def test_thawing_a_layer_that_cannot_be_lifted_names_the_op(unliftable: str) -> None:
    layer = hub.KerasLayer(unliftable)
    layer.trainable = True
    with pytest.raises(hub.errors.SignatureError, match="PyFunc"):
        layer(tf.constant([1.0]))
