"""Parts of models: what a layer, or a user, loads of them equals the whole."""

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
from rehub.errors import FormatError, SignatureError
from tests.conformance.build import assert_equal, assert_same_values
from tests.conformance.models import SAMPLES
from tests.conformance.sample import Sample
from tests.runtime import slim_models

X = tf.constant([[1.0, 2.0], [-3.0, 0.5]])
WORDS = tf.constant(["b", "a", "?"])


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(slim_models.write_rich(tmp_path_factory.mktemp("rich") / "model"))


@pytest.fixture
def writable(rich: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rich, tmp_path / "model"))


def gradients(call: Any, variables: Any) -> list[Any]:
    with tf.GradientTape() as tape:
        outputs = call()
    return tape.gradient(outputs, list(variables), unconnected_gradients="zero")


@pytest.mark.parametrize("training", [False, True])
def test_layer_computes_as_the_whole_model_does(rich: str, training: bool) -> None:
    whole = tf.saved_model.load(rich)
    layer = hub.KerasLayer(rich, trainable=True)

    assert_equal(layer(X, training=training), whole(X, training=training), 0)
    assert_equal(
        gradients(lambda: layer(X, training=training), layer.resolved_object.trainable_variables),
        gradients(lambda: whole(X, training=training), whole.trainable_variables),
        0,
    )
    assert [float(loss) for loss in layer.losses] == [float(loss()) for loss in whole.regularization_losses]


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_sample_computes_and_is_saved_as_the_whole_model(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    sample.write(folder)
    layer = hub.KerasLayer(str(folder), **sample.options)
    whole = sample.load(str(folder))
    result = layer(sample.inputs)
    expected = sample.direct(whole, sample.inputs, False)
    key = sample.options.get("output_key")

    assert_equal(result, expected[key] if key and isinstance(expected, dict) else expected, 0)
    if hasattr(whole, "prune"):  # a graph of TensorFlow 1, which the layer makes an object of TensorFlow 2
        return
    assert set(dir(whole)) - set(dir(layer.resolved_object)) <= {"graph_debug_info"}
    for name in ("variables", "trainable_variables"):
        assert_same_values(getattr(layer.resolved_object, name, []), getattr(whole, name, []))


def test_resolved_object_has_what_the_layer_left_out_on_the_same_variables(rich: str) -> None:
    layer = hub.KerasLayer(rich, trainable=True)
    layer.trainable_variables[0].assign(10.0)
    obj, original = layer.resolved_object, tf.saved_model.load(rich)
    obj.variables[0].assign([1.0, 1.0])

    assert layer.resolved_object is obj
    assert float(obj.model.scale) == 10.0
    np.testing.assert_array_equal(layer(X), obj(X))
    np.testing.assert_array_equal(obj.look_up(WORDS), original.look_up(WORDS))
    np.testing.assert_array_equal(obj.part.encode(X), X)


def test_resolved_object_is_saved_with_all_functions_and_tuned_values(rich: str, tmp_path: Path) -> None:
    layer = hub.KerasLayer(rich, trainable=True)
    layer.trainable_variables[0].assign(10.0)
    tf.saved_model.save(layer.resolved_object, str(tmp_path / "tuned"))
    again, original = tf.saved_model.load(str(tmp_path / "tuned")), tf.saved_model.load(rich)

    assert float(again.variables[1]) == 10.0
    np.testing.assert_array_equal(again.look_up(WORDS), original.look_up(WORDS))
    np.testing.assert_array_equal(again(X), layer(X))
    np.testing.assert_array_equal(again.signatures["serving_default"](X)["outputs"], layer(X))


def test_resolved_object_is_whole_although_the_folder_is_gone(half_plus_two: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model = tf.train.Checkpoint(w=tf.Variable(3.0))
    model.__call__ = tf.function(lambda x: x * model.w, input_signature=[tf.TensorSpec([])])
    model.inverse = tf.function(lambda x: x / model.w, input_signature=[tf.TensorSpec([])])
    tf.saved_model.save(model, str(folder))
    layer = hub.KerasLayer(str(folder))
    shutil.rmtree(folder)

    assert float(layer.resolved_object.inverse(tf.constant(6.0))) == 2.0


def test_resolved_object_says_what_is_missing_when_its_values_are_gone(writable: Path) -> None:
    layer = hub.KerasLayer(str(writable))
    shutil.rmtree(writable / "variables")

    with pytest.raises(FormatError, match=r"lacks variables/variables\.index"):
        layer.resolved_object  # noqa: B018


def test_layer_of_the_resolved_object_shares_losses_and_variables(rich: str) -> None:
    layer = hub.KerasLayer(rich, trainable=True)
    other = hub.KerasLayer(layer.resolved_object, trainable=True)
    for variable in other.trainable_variables:
        variable.assign(4.0)

    assert float(layer.trainable_variables[0].numpy()) == 4.0
    np.testing.assert_array_equal(layer(X), other(X))


@pytest.mark.parametrize("first_whole", [False, True])
@pytest.mark.parametrize("travel", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_layer_travels_with_its_changes(rich: str, travel: Any, first_whole: bool) -> None:
    layer = hub.KerasLayer(rich, trainable=True)
    layer.trainable_variables[0].assign(10.0)
    if first_whole:
        layer.resolved_object.model.unused.assign([0.0])
    again = travel(layer)

    np.testing.assert_array_equal(again(X), layer(X))
    assert float(again.resolved_object.model.unused[0]) == (0.0 if first_whole else 7.0)


def test_load_of_some_attributes_has_just_these(rich: str) -> None:
    whole = tf.saved_model.load(rich)
    obj = hub.load(rich, only=("__call__", "signatures"))

    np.testing.assert_array_equal(obj(X), whole(X))
    np.testing.assert_array_equal(obj.signatures["serving_default"](X)["outputs"], whole(X))
    for name in ("look_up", "regularization_losses", "trainable_variables"):
        assert not hasattr(obj, name)
    assert not hasattr(obj.model, "unused")


def test_load_of_one_attribute_by_its_name_or_path(rich: str) -> None:
    whole = tf.saved_model.load(rich)
    one, other = hub.load(rich, only="look_up"), hub.load(rich, only=["part.encode"])

    np.testing.assert_array_equal(one.look_up(WORDS), whole.look_up(WORDS))
    np.testing.assert_array_equal(other.part.encode(X), whole.part.encode(X))


def test_load_of_some_attributes_is_saved_as_a_model_of_its_own(rich: str, tmp_path: Path) -> None:
    obj = hub.load(rich, only=("look_up",))
    tf.saved_model.save(obj, str(tmp_path / "part"))
    again = tf.saved_model.load(str(tmp_path / "part"))

    np.testing.assert_array_equal(again.look_up(WORDS), obj.look_up(WORDS))
    assert not callable(again)


def test_load_of_some_attributes_travels_as_these(rich: str) -> None:
    obj = hub.load(rich, only=("part",))
    obj.part.parts[0]["kernel"].assign([1.0, 1.0])
    again = pickle.loads(pickle.dumps(obj))

    np.testing.assert_array_equal(again.part.encode(X), X)
    assert not hasattr(again, "look_up")


def test_load_of_an_unknown_attribute_lists_those_that_there_are(rich: str) -> None:
    with pytest.raises(SignatureError, match=r"has no 'part\.decode'") as caught:
        hub.load(rich, only=("__call__", "part.decode"))

    assert "look_up" in str(caught.value)
    assert "signatures" in caught.value.available


@pytest.mark.parametrize("only", [(), ("__call__",)])
def test_load_of_attributes_refuses_what_has_none_to_choose(two_graphs: Path, rich: str, only: Any) -> None:
    with pytest.raises(SignatureError, match="is empty" if only == () else "no attributes to choose from"):
        hub.load(rich if only == () else str(two_graphs), tags=None if only == () else ["serve"], only=only)


def test_memo_keeps_parts_apart(rich: str) -> None:
    with hub.settings(memo=True):
        part, whole = hub.load(rich, only=("look_up",)), hub.load(rich)

        assert hub.load(rich, only=["look_up"]) is part
        assert hub.KerasLayer(rich).resolved_object is whole
    hub.clear_memo()
    assert not callable(part)


def test_part_works_in_a_graph(rich: str) -> None:
    expected = tf.saved_model.load(rich)(X)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        obj = hub.load(rich, only=("__call__",))
        outputs = obj([[1.0, 2.0], [-3.0, 0.5]])
        session.run(tf.compat.v1.global_variables_initializer())

        np.testing.assert_array_equal(session.run(outputs), expected)


def test_layer_in_a_strategy_keeps_its_replicas_when_the_rest_is_loaded(rich: str) -> None:
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        layer = hub.KerasLayer(rich, trainable=True)
    layer.trainable_variables[0].assign(10.0)
    obj, original = layer.resolved_object, tf.saved_model.load(rich)

    assert float(obj.variables[1].numpy()) == 10.0
    np.testing.assert_array_equal(strategy.run(obj.look_up, [WORDS]), original.look_up(WORDS))


@pytest.mark.parametrize("seed", range(8))
def test_part_of_a_random_model_computes_as_the_whole(seed: int, tmp_path: Path) -> None:
    tf.saved_model.save(slim_models.random_tree(seed), str(tmp_path))
    whole, part = tf.saved_model.load(str(tmp_path)), hub.load(str(tmp_path), only=("__call__",))
    x = tf.constant([1.0, -2.0])

    np.testing.assert_array_equal(part(x), whole(x))


def test_slim_copy_computes_as_the_whole(rich: str, tmp_path: Path) -> None:
    whole = tf.saved_model.load(rich)
    done = hub.slim(rich, tmp_path / "slim")
    again = tf.saved_model.load(str(done.folder))

    np.testing.assert_array_equal(again(X), whole(X))
    np.testing.assert_array_equal(again.signatures["serving_default"](X)["outputs"], whole(X))
    assert {"look_up", "part"} <= set(done.left_out)
    assert done.functions[1] < done.functions[0]


def test_slim_copy_serves_in_a_session(rich: str, tmp_path: Path) -> None:
    hub.slim(rich, tmp_path / "slim")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "slim"))
        signature = graph.signature_def["serving_default"]
        (fed,), (fetched,) = signature.inputs.values(), signature.outputs.values()
        result = session.run(fetched.name, {fed.name: X.numpy()})

    whole = tf.saved_model.load(rich)
    np.testing.assert_array_equal(result, whole(X))
