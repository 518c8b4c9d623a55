"""Layers of models of TensorFlow 1, which are made objects of TensorFlow 2."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.tf1 import modules, random_graphs
from tests.tf1.lifted import to_tensor
from tests.tf1.measurement import flat_variables
from tests.tf1.oracle import OracleCase, OracleModule, load_all

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


def cases_to_fit() -> list[Any]:
    """The module, and the application of its variant for training, of each with one dense output that can be trained.

    Others have no gradients, or draw random numbers.
    """
    found = []
    for name, module in MODULES.items():
        variant = max(module.tags, key=len)
        output = module.signatures[variant].get("default", {}).get("outputs", {}).get("default", "")
        for case in module.cases:
            is_dense = "dtype=float32 is_sparse=False" in output
            if case.tags == variant and case.signature == "default" and is_dense and case.expected.gradients:
                found.append(pytest.param(module, case, id=name))
                break
    return found


def steps_in_a_session(
    path: str, tags: Collection[str], signature: str, inputs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Losses of SGD on the mean square, and the trained variables, by ``hub.Module``."""
    with tf.Graph().as_default():
        placed = hub.Module(path, trainable=True, tags=set(tags))
        outputs = placed({name: to_tensor(value) for name, value in inputs.items()}, signature=signature)
        loss = v1.add_n([tf.reduce_mean(tf.square(outputs)), *v1.losses.get_regularization_losses()])
        step = v1.train.GradientDescentOptimizer(LEARNING_RATE).minimize(loss)
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        with v1.Session() as session:
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            losses = [session.run([loss, step, updates])[0] for _ in range(STEPS)]
            return losses, session.run(flat_variables(placed.variable_map))


class Alone(tf.keras.Model):
    """A model of one layer, whose inputs may be of any kind."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Calls the layer."""
        return self.layer(inputs, training=training)


def assert_fit_does(steps: tuple[list[Any], dict[str, Any]], path: str, inputs: Mapping[str, Any]) -> None:
    """Compares ``fit`` of a layer with what happened in a session."""
    # Keras knows batches only.
    scalars = {name: value.item() for name, value in inputs.items() if getattr(value, "shape", None) == ()}
    layer = hub.KerasLayer(path, trainable=True, arguments=scalars)
    batches = {name: to_tensor(value) for name, value in inputs.items() if name not in scalars}
    given = next(iter(batches.values())) if len(batches) == 1 else batches
    model = Alone(layer)
    model.compile(tf.keras.optimizers.SGD(LEARNING_RATE), lambda _, outputs: tf.reduce_mean(tf.square(outputs)))
    history = model.fit(tf.data.Dataset.from_tensors((given, [0.0])).repeat(STEPS), verbose=0)
    losses, trained = steps
    np.testing.assert_allclose(history.history["loss"], [np.mean(losses)], rtol=5e-6)
    for variable in layer.resolved_object.variables:
        np.testing.assert_allclose(variable, trained[variable.name.partition(":")[0]], rtol=1e-5, atol=2e-6)


@pytest.mark.filterwarnings("ignore:.*had a gradient of its own", "ignore:Gradients do not exist for variables")
@pytest.mark.parametrize(("module", "case"), cases_to_fit())
def test_fit_trains_as_a_session_does(module: OracleModule, case: OracleCase) -> None:
    signature, inputs = case.signature, dict(case.inputs)
    if module.path.name == "training_switch":
        signature, inputs = "with_switch", {"x": inputs["default"], "training": np.bool_(True)}
    steps = steps_in_a_session(str(module.path), case.tags, signature, inputs)
    assert_fit_does(steps, str(module.path), case.inputs)


@pytest.mark.filterwarnings("ignore:.*had a gradient of its own", "ignore:Gradients do not exist for variables")
@pytest.mark.parametrize("seed", range(6))
def test_fit_trains_a_random_graph_as_a_session_does(seed: int, tmp_path: Path) -> None:
    spec = random_graphs.create_spec(seed, 2, tmp_path / "texts", hub)
    path = str(modules.export(hub, spec, tmp_path / "module"))
    steps = steps_in_a_session(path, random_graphs.VARIANTS[1][0], "default", random_graphs.inputs(seed))
    assert_fit_does(steps, path, random_graphs.inputs(seed))


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


@pytest.mark.parametrize(
    ("files", "problem"), [("*", "no checkpoint"), ("variables.data-*", "it lacks variables/variables.data-00000")]
)
def test_module_without_its_values_is_refused(files: str, problem: str, tmp_path: Path) -> None:
    shutil.copytree(RICH.path, tmp_path / "module")
    for file in (tmp_path / "module" / "variables").glob(files):
        file.unlink()
    with pytest.raises(hub.errors.FormatError, match=problem):
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


@REACHES_OUT
def test_inner_tensor_of_a_model_that_cannot_be_lifted_is_refused_with_the_reason(unliftable: str) -> None:
    with pytest.raises(hub.errors.SignatureError, match=r"output key mul .*cannot be made .*PyFunc") as info:
        hub.KerasLayer(unliftable, output_key="mul")
    assert isinstance(info.value.__cause__, hub.errors.ConversionError)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow_partial_checkpoint", True),
        ("experimental_io_device", "/job:elsewhere"),
        ("experimental_skip_checkpoint", True),
        ("experimental_variable_policy", "save_variable_devices"),
        ("experimental_load_function_aliases", True),
    ],
)
def test_load_option_that_cannot_be_followed_is_refused(name: str, value: Any, trainable: bool) -> None:
    with pytest.raises(hub.errors.SignatureError, match=f"load_options sets {name} to "):
        hub.KerasLayer(str(RICH.path), trainable=trainable, load_options=tf.saved_model.LoadOptions(**{name: value}))


@pytest.mark.parametrize("device", [None, "/job:localhost", "/CPU:0"])
def test_load_options_that_mean_this_machine_are_followed(device: str | None, batch: Any) -> None:
    options = tf.saved_model.LoadOptions(experimental_io_device=device)
    layer = hub.KerasLayer(str(RICH.path), trainable=True, load_options=options)
    np.testing.assert_array_equal(layer(batch), hub.KerasLayer(str(RICH.path), trainable=True)(batch))


def save_of_session(folder: Path, build: Callable[[Any, Any], Any]) -> str:
    """Writes a SavedModel of TensorFlow 1, of what a function makes of an input and of a reference variable of 2."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None])
        factor = v1.get_variable("factor", initializer=2.0, use_resource=False)
        y = build(x, factor)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(folder), {"x": x}, {"y": y})
    return str(folder)


def selected(x: Any, factor: Any) -> Any:
    """A product with one of two references."""
    return x * tf.raw_ops.RefSelect(index=0, inputs=[factor.op.outputs[0]] * 2)


def switched(x: Any, factor: Any) -> Any:
    """A product that no merge joins with what would be there otherwise."""
    return tf.raw_ops.Switch(data=x * factor, pred=tf.size(x) > 1).output_true


@pytest.mark.parametrize(("build", "op"), [(selected, "RefSelect"), (switched, "Switch")])
def test_op_is_refused_when_the_layer_is_to_train_and_runs_else(build: Any, op: str, tmp_path: Path) -> None:
    path = save_of_session(tmp_path / "references", build)
    with pytest.raises(hub.errors.ConversionError, match=op) as info:
        hub.KerasLayer(path, signature="serving_default", trainable=True)
    assert info.value.ops == (op,)
    frozen = hub.KerasLayer(path, signature="serving_default")
    np.testing.assert_array_equal(frozen(tf.constant([1.0, 3.0])), [2.0, 6.0])
