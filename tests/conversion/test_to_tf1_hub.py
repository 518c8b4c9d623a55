"""Modules in the TF1 Hub format that were made of SavedModels do in a session what those do eagerly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import ConversionError
from rehub.runtime import reusable
from tests.conformance.models import SAMPLES, Sample
from tests.tf1 import applications
from tests.tf1.measurement import (
    LEARNING_RATE,
    STEPS,
    Measurement,
    assert_same,
    assert_same_value,
    dense,
    measure,
    sum_of_squares,
)
from tests.tf1.oracle import load_all

v1 = tf.compat.v1

NAMES = ("normalized", "text", "lists", "ragged", "sub_objects", "keras2_saved", "keras3_exported")
MODELS = [sample for sample in SAMPLES if sample.name in NAMES]
CASES = [
    pytest.param(sample, training, id=f"{sample}-{'training' if training else 'inference'}")
    for sample in MODELS
    for training in ([False, True] if sample.moving else [False])
]
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def convert(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sample], tuple[Path, Path]]:
    """Gives the folders of a sample model and of the module that it becomes."""
    root = tmp_path_factory.mktemp("modules")

    def folders(sample: Sample) -> tuple[Path, Path]:
        source, target = root / sample.name, root / f"{sample.name}-module"
        if not target.exists():
            source.mkdir()
            sample.write(source)
            done = hub.convert(source, target, to="tf1-hub")
            assert done.difference is not None
            assert done.difference <= TOLERANCE
        return source, target

    return folders


@pytest.mark.parametrize(("sample", "training"), CASES)
def test_module_does_what_the_model_does(
    sample: Sample, training: bool, convert: Callable[[Sample], tuple[Path, Path]]
) -> None:
    source, target = convert(sample)
    spec = hub.load_module_spec(str(target))
    names = [part.full_name for part in spec.variables()]
    inputs = fed(spec, sample.inputs)

    def build() -> applications.Application:
        tags = frozenset({"train"}) if training else frozenset()
        return applications.of_module(hub, target, inputs, "default", tags)

    assert_measured(measure(build, trains=sample.trains), Eager(source, sample, names, training=training))


def fed(spec: Any, inputs: Any) -> Mapping[str, Any]:
    """The inputs of a sample by the names that the module has for them."""
    infos = list(spec.get_input_info_dict())
    flat = [inputs] if isinstance(inputs, tf.RaggedTensor) else tf.nest.flatten(inputs)
    values = (
        v1.ragged.RaggedTensorValue(each.values.numpy(), each.row_splits.numpy())
        if isinstance(each, tf.RaggedTensor)
        else each.numpy()
        for each in flat
    )
    return dict(zip(infos, values, strict=True))


class Eager:
    """The same measurements of a loaded SavedModel."""

    def __init__(self, source: Path, sample: Sample, names: list[str], *, training: bool) -> None:
        self._source, self._sample, self._names, self._training = source, sample, names, training

    def load(self) -> None:
        self._obj = tf.saved_model.load(str(self._source))
        trainable, others = reusable.variables_of(self._obj)
        self.variables = dict(zip(self._names, [*trainable, *others], strict=True))
        self.trainable = {name: each for name, each in self.variables.items() if any(each is one for one in trainable)}

    def values(self) -> dict[str, Any]:
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def run(self) -> dict[str, Any]:
        result = self._sample.direct(self._obj, self._sample.inputs, self._training)
        if isinstance(result, (list, tuple)):
            return {f"output_{place}": each for place, each in enumerate(result)}
        return {"default": result}

    def losses(self) -> list[Any]:
        return [loss() for loss in reusable.regularization_losses_of(self._obj)]

    def gradients(self) -> dict[str, Any]:
        with tf.GradientTape() as tape:
            loss = sum_of_squares(self.run())
        gradients = tape.gradient(loss, self.trainable)
        return {
            name: dense(gradient, self.trainable[name]).numpy()
            for name, gradient in gradients.items()
            if gradient is not None
        }

    def step(self) -> Any:
        with tf.GradientTape() as tape:
            total = tf.add_n([sum_of_squares(self.run()), *self.losses()])
        gradients = tape.gradient(total, self.trainable)
        for name, gradient in gradients.items():
            if gradient is not None:
                self.trainable[name].assign_sub(LEARNING_RATE * dense(gradient, self.trainable[name]))
        return total.numpy()


def assert_measured(measured: Measurement, eager: Eager) -> None:
    eager.load()
    assert_same_value(measured.variables, eager.values(), 0.0, "variables")
    assert measured.trainable == frozenset(eager.trainable)
    assert_same_value(measured.losses, [loss.numpy() for loss in eager.losses()], TOLERANCE, "losses")
    before = eager.values()
    outputs = {name: _value(each) for name, each in eager.run().items()}
    assert_same_value(measured.outputs, outputs, TOLERANCE, "outputs")
    assert_same_value(measured.variables_after, before, 0.0, "variables after the forward pass")
    if measured.updated is None:
        assert_same_value(eager.values(), before, 0.0, "variables that a model without updates updates")
    else:
        assert_same_value(measured.updated, eager.values(), TOLERANCE, "updates")
    eager.load()
    assert_same_value(measured.gradients, eager.gradients(), TOLERANCE, "gradients")
    eager.load()
    assert_same_value(measured.sgd_losses, [eager.step() for _ in range(STEPS)], TOLERANCE, "losses of SGD")
    assert_same_value(measured.trained, eager.values(), TOLERANCE, "trained variables")


def _value(tensor: Any) -> Any:
    if isinstance(tensor, tf.RaggedTensor):
        return v1.ragged.RaggedTensorValue(tensor.values.numpy(), tensor.row_splits.numpy())
    return tensor.numpy()


class Counting(tf.train.Checkpoint):
    """Counts its calls for training, and gives the number from before and after; a part of it has a function."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = tf.Variable(0.0, trainable=False, name="calls")
        self.total = tf.Variable(0.0, trainable=False, name="total")
        self.scale = tf.Variable(2.0, name="scale")
        self.variables = [self.scale, self.calls, self.total]
        self.trainable_variables = [self.scale]
        for training in (False, True):
            self.__call__.get_concrete_function(tf.TensorSpec([None]), training)

    @tf.function
    def __call__(self, x: Any, training: bool = False) -> Any:
        if training:
            self.calls.assign_add(1.0)
            self.add(x)
            self.total.assign(2.0 * self.total)
        return {"calls": self.calls + 0.0, "default": self.scale * x}

    @tf.function
    def add(self, x: Any) -> None:
        self.total.assign_add(tf.reduce_sum(x))


def test_only_updates_that_no_output_waits_for_become_update_ops(tmp_path: Path) -> None:
    tf.saved_model.save(Counting(), str(tmp_path / "model"))
    hub.convert(tmp_path / "model", tmp_path / "module", to="tf1-hub")
    with tf.Graph().as_default(), v1.Session() as session:
        module = hub.Module(str(tmp_path / "module"), trainable=True, tags={"train"})
        outputs = module(tf.constant([1.0, 2.0]), as_dict=True)
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        session.run(v1.global_variables_initializer())
        assert [session.run(outputs["calls"]) for _ in range(2)] == [1.0, 2.0]
        assert session.run(module.variable_map["total"]) == 0.0
        session.run(updates)
        assert session.run(module.variable_map["total"]) == 6.0  # added first, doubled then
        session.run(updates)
        assert session.run(module.variable_map["total"]) == 18.0


class Calls(tf.Module):
    """Counts all its calls; in training it doubles, says how often it was called, and drops at random if it shall."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate
        self.count = tf.Variable(0.0, trainable=False, name="count")

    @tf.function(input_signature=[tf.TensorSpec([None]), tf.TensorSpec([], tf.bool)])
    def __call__(self, x: Any, training: Any) -> Any:
        self.count.assign_add(1.0)
        if training:
            return {"only": tf.nn.dropout(2.0 * x + self.count, self.rate)}
        return {"only": x + self.count}


def test_mode_that_is_a_tensor_gives_both_variants(tmp_path: Path) -> None:
    tf.saved_model.save(Calls(), str(tmp_path / "model"), {})
    done = hub.convert(tmp_path / "model", tmp_path / "module", to="tf1-hub")
    assert (done.difference, done.not_compared) == (0.0, "")
    found = {}
    for tags in (frozenset[str](), frozenset({"train"})):
        with tf.Graph().as_default(), v1.Session() as session:
            output = hub.Module(str(tmp_path / "module"), tags=tags)(tf.constant([3.0]))
            session.run(v1.global_variables_initializer())
            found[tags] = session.run(output).tolist()
    # The only output is the default one, and the model's count is what it was before it was compared.
    assert found == {frozenset(): [4.0], frozenset({"train"}): [7.0]}


def test_dropout_in_training_is_not_compared_and_all_else_is(tmp_path: Path) -> None:
    tf.saved_model.save(Calls(rate=0.5), str(tmp_path / "model"), {})
    many = {"x": np.ones(64, np.float32)}  # of few numbers, two draws may drop the same
    done = hub.convert(tmp_path / "model", tmp_path / "module", to="tf1-hub", sample_inputs=many)
    reason = "the call of the model for training: the model gives other outputs each time"
    assert (done.difference, done.not_compared) == (0.0, reason)


class Branches(tf.Module):
    @tf.function(input_signature=[{"a": {"b": tf.TensorSpec([None])}, "a_b": tf.TensorSpec([None])}])
    def __call__(self, inputs: Any) -> Any:
        return inputs["a"]["b"] - 10.0 * inputs["a_b"]


def test_inputs_of_the_same_name_get_numbers(tmp_path: Path) -> None:
    tf.saved_model.save(Branches(), str(tmp_path / "model"), {})
    hub.convert(tmp_path / "model", tmp_path / "module", to="tf1-hub")
    with tf.Graph().as_default(), v1.Session() as session:
        module = hub.Module(str(tmp_path / "module"))
        assert session.run(module({"a_b": tf.constant([1.0]), "a_b_1": tf.constant([2.0])})).tolist() == [-19.0]


class Growing(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, keys: Any) -> Any:
        return self.table.lookup(keys)


def test_state_that_no_module_can_have_is_refused_by_name(tmp_path: Path) -> None:
    tf.saved_model.save(Growing(), str(tmp_path / "model"))
    with pytest.raises(ConversionError, match="keeps state that no module in the TF1 Hub format can have") as caught:
        hub.convert(tmp_path / "model", tmp_path / "module", to="tf1-hub")
    assert caught.value.ops == ("MutableHashTableV2",)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


class Bounded(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable([1.0, 2.0], name="w")
        self.variables = self.trainable_variables = [self.w]

    @tf.function(input_signature=[tf.TensorSpec([None, 2])])
    def __call__(self, x: Any) -> Any:
        @tf.custom_gradient
        def scaled(value: Any) -> Any:
            return value, lambda upstream: 10.0 * upstream

        return scaled(x * self.w)


def test_custom_gradient_comes_along(tmp_path: Path) -> None:
    tf.saved_model.save(
        Bounded(), str(tmp_path / "model"), options=tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    )
    hub.convert(tmp_path / "model", tmp_path / "module", to="tf1-hub")

    def build() -> applications.Application:
        return applications.of_module(
            hub, tmp_path / "module", {"x": np.ones([1, 2], np.float32)}, "default", frozenset()
        )

    assert_same_value(measure(build).gradients, {"w": np.array([20.0, 40.0], np.float32)}, 0.0, "gradients")


@pytest.mark.parametrize(
    "name",
    [
        "v1_layers",
        "text_vocab",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("functions_b", "partitioned")),
    ],
)
def test_module_is_the_same_after_the_way_to_tensorflow_2_and_back(name: str, tmp_path: Path) -> None:
    (module,) = (each for each in load_all() if each.path.name == name)
    hub.convert(module.path, tmp_path / "model")
    hub.convert(tmp_path / "model", tmp_path / "module", to="tf1-hub")
    before, after = (hub.load_module_spec(str(path)) for path in (module.path, tmp_path / "module"))
    assert sorted(after.get_signature_names()) == sorted(before.get_signature_names())
    assert after.get_input_info_dict() == before.get_input_info_dict()
    for case in (case for case in module.cases if case.signature == "default"):

        def apply(spec: Any, case: Any = case) -> Measurement:
            return measure(lambda: applications.of_module(hub, spec, case.inputs, "default", case.tags))

        assert_same(apply(after), apply(before), TOLERANCE)
