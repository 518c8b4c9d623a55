"""Rules about the Reusable SavedModel interface: each is broken by one model, and by none of the good ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from rehub.publish.check import examine, judge
from rehub.publish.check_report import Finding
from tests.publish.reusable_models import SPEC, computing, loss_of, save

WITHOUT_CARD = "W601"


def findings(folder: Path) -> list[Finding]:
    return [finding for finding in judge(examine(folder)).findings if finding.code != WITHOUT_CARD]


def needing_more(obj: Any) -> Callable[..., Any]:
    def call(inputs: Any, scale: Any, training: bool = False) -> Any:
        return tf.matmul(inputs, obj.kernel) * scale + obj.offset

    return call


def training_by_default(obj: Any) -> Callable[..., Any]:
    def call(inputs: Any, training: bool = True) -> Any:
        return tf.matmul(inputs, obj.kernel) + obj.offset

    return call


def with_rate(obj: Any) -> Callable[..., Any]:
    def call(inputs: Any, training: bool = False, rate: Any = 0.5) -> Any:
        return tf.matmul(inputs, obj.kernel) * rate + obj.offset

    return call


def no_lists(obj: Any) -> None:
    del obj.variables, obj.trainable_variables


def not_listed(obj: Any) -> None:
    obj.variables = [obj.kernel]


def not_among_variables(obj: Any) -> None:
    obj.other = tf.Variable(1.0, name="other")
    obj.trainable_variables = [obj.kernel, obj.other]


def integers(obj: Any) -> None:
    obj.count = tf.Variable(1, name="count")
    obj.variables = [obj.kernel, obj.offset, obj.count]
    obj.trainable_variables = [obj.kernel, obj.count]
    obj.counted = tf.function(lambda: obj.count + 1, input_signature=[])


def idle(obj: Any) -> None:
    obj.idle = tf.Variable(1.0, name="idle")
    obj.variables = [obj.kernel, obj.offset, obj.idle]


def vector_loss(obj: Any) -> None:
    obj.regularization_losses = [loss_of(lambda: obj.kernel**2)]


def loss_with_argument(obj: Any) -> None:
    loss = tf.function(lambda scale: tf.reduce_sum(obj.kernel) * scale)
    loss.get_concrete_function(tf.TensorSpec([], tf.float32))
    obj.regularization_losses = [loss]


def loss_that_is_a_variable(obj: Any) -> None:
    obj.regularization_losses = [obj.kernel]


def optimizer(obj: Any) -> None:
    obj.optimizer = tf.train.Checkpoint(momentum=tf.Variable(tf.zeros([4, 3]), name="momentum"))


def encoder(obj: Any) -> None:
    """A named sub-object that keeps the promises of the object itself."""
    obj.encoder = tf.train.Checkpoint()
    obj.encoder.variables = obj.encoder.trainable_variables = [obj.kernel]
    obj.encoder.__call__ = tf.function(lambda inputs: tf.matmul(inputs, obj.kernel), input_signature=[SPEC])


def bad_encoder(obj: Any) -> None:
    encoder(obj)
    obj.encoder.variables = obj.encoder.trainable_variables = []


OPEN = tf.TensorSpec([], tf.float32)
EVERY_RATE = [(SPEC, training, rate) for training in (False, True) for rate in (0.5, OPEN)]


@pytest.mark.parametrize(
    ("code", "where", "options"),
    [
        ("", "", {}),
        ("", "", {"adjust": encoder}),
        ("", "", {"make_call": with_rate, "traces": EVERY_RATE}),
        ("E203", "__call__", {"make_call": needing_more, "traces": [(SPEC, OPEN, False), (SPEC, OPEN, True)]}),
        ("E204", "__call__", {"make_call": training_by_default}),
        ("E204", "__call__", {"make_call": with_rate, "traces": [(SPEC, tf.TensorSpec([], tf.bool), 0.5)]}),
        ("E205", "__call__", {"traces": [(SPEC, False)]}),
        ("E205", "__call__", {"make_call": with_rate, "traces": EVERY_RATE[:3]}),
        ("E206", "variables", {"adjust": not_listed}),
        ("E206", "encoder.variables", {"adjust": bad_encoder}),
        ("W207", "variables", {"adjust": no_lists}),
        ("E208", "trainable_variables", {"adjust": not_among_variables}),
        ("E208", "trainable_variables", {"adjust": integers}),
        ("W209", "variables", {"adjust": idle}),
        ("E210", "regularization_losses[0]", {"adjust": vector_loss}),
        ("E210", "regularization_losses[0]", {"adjust": loss_with_argument}),
        ("E210", "regularization_losses[0]", {"adjust": loss_that_is_a_variable}),
        ("W211", "variables", {"adjust": optimizer}),
        ("W301", "signatures", {"serves": False}),
    ],
)
def test_check_finds_just_what_is_wrong_with_the_interface(
    code: str, where: str, options: dict[str, Any], tmp_path: Path
) -> None:
    found = findings(save(tmp_path / "model", **options))
    assert [(each.code, each.where) for each in found] == ([(code, where)] if code else [])


def test_check_names_the_combination_that_was_not_traced(tmp_path: Path) -> None:
    (finding,) = findings(save(tmp_path / "model", traces=[(SPEC, False)]))
    assert "inputs=float32[?, 4], training=True" in finding.what


@pytest.mark.parametrize(("momentum", "is_too_large"), [(0.9, False), (0.99, False), (0.997, True), (0.9999, True)])
def test_check_finds_batch_normalization_that_hardly_moves(momentum: float, is_too_large: bool, tmp_path: Path) -> None:
    layers = [tf.keras.Input([4]), tf.keras.layers.Dense(3), tf.keras.layers.BatchNormalization(momentum=momentum)]
    hub.export(tf.keras.Sequential(layers), tmp_path / "model")

    found = findings(tmp_path / "model")

    assert {each.code for each in found} == ({"W402"} if is_too_large else set())
    assert all(f"momentum {momentum}" in each.what for each in found)


def averaged(obj: Any) -> Callable[..., Any]:
    """As Keras 3 writes it."""

    def call(inputs: Any, training: bool = False) -> Any:
        outputs = tf.matmul(inputs, obj.kernel)
        if training:
            obj.offset.assign(obj.offset * 0.999 + tf.reduce_mean(outputs, 0) * (1 - 0.999))
        return outputs + obj.offset

    return call


def fused(obj: Any) -> Callable[..., Any]:
    def call(inputs: Any, training: bool = False) -> Any:
        outputs = tf.matmul(inputs, obj.kernel)[:, None, None]
        mean, scale = obj.offset, tf.ones([3])
        outputs, new, *_ = tf.raw_ops.FusedBatchNormV3(
            x=outputs, scale=scale, offset=mean, mean=mean, variance=scale, exponential_avg_factor=0.001
        )
        if training:
            obj.offset.assign(new)
        return outputs[:, 0, 0]

    return call


@pytest.mark.parametrize("make_call", [averaged, fused])
def test_check_finds_slow_averages_in_whatever_way_they_are_written(make_call: Any, tmp_path: Path) -> None:
    found = findings(save(tmp_path / "model", make_call))
    assert {each.code for each in found} == {"W402"}
    assert "0.999" in found[0].what


def test_check_finds_an_average_in_a_graph_of_tensorflow_1(tmp_path: Path) -> None:
    v1 = tf.compat.v1

    def module_fn() -> None:
        inputs = v1.placeholder(tf.float32, [None, 3])
        mean = v1.get_variable("mean", [3], use_resource=False, trainable=False)
        update = v1.assign_sub(mean, (mean - tf.reduce_mean(inputs, 0)) * 0.001)
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update.op)
        hub.add_signature(inputs=inputs, outputs=inputs - mean)

    hub.create_module_spec(module_fn).write(tmp_path / "model", {"mean": [0.0, 0.0, 0.0]})
    assert {each.code for each in findings(tmp_path / "model")} == {"W402"}


def classes(obj: Any, inputs: Any) -> Any:
    return tf.nn.softmax(tf.matmul(inputs, obj.kernel))


def test_check_finds_probabilities_behind_calls_and_in_dicts(tmp_path: Path) -> None:
    def make_call(obj: Any) -> Callable[..., Any]:
        inner = tf.function(lambda inputs: tf.nn.softmax(tf.matmul(inputs, obj.kernel) + obj.offset))

        def call(inputs: Any, training: bool = False) -> Any:
            best = tf.argmax(inner(inputs), 1, name="best")
            return {"best": best, "probabilities": tf.identity(inner(inputs))}

        return call

    found = findings(save(tmp_path / "model", make_call))
    assert {(each.code, each.where) for each in found} == {
        ("W401", "__call__"),
        ("W401", "the signature 'serving_default'"),
    }
    assert {each.what.split("'")[1] for each in found} == {"best", "probabilities"}


@pytest.mark.parametrize(
    "decide",
    [
        lambda logits: tf.clip_by_value(tf.nn.softmax(logits), 1e-7, 1 - 1e-7),
        lambda logits: tf.cast(100 * tf.nn.softmax(logits), tf.float16),
        lambda logits: tf.exp(logits) / tf.reduce_sum(tf.exp(logits), 1, keepdims=True),
        lambda logits: (lambda powers: powers / tf.reduce_sum(powers, 1, keepdims=True))(tf.exp(logits)),
    ],
)
def test_check_finds_probabilities_that_are_clipped_or_scaled_or_written_by_hand(decide: Any, tmp_path: Path) -> None:
    def make_call(obj: Any) -> Callable[..., Any]:
        return lambda inputs, training=False: decide(tf.matmul(inputs, obj.kernel) + obj.offset)

    assert {each.code for each in findings(save(tmp_path / "model", make_call))} == {"W401"}


def test_check_takes_probabilities_beside_logits_for_good(tmp_path: Path) -> None:
    def make_call(obj: Any) -> Callable[..., Any]:
        def call(inputs: Any, training: bool = False) -> Any:
            logits = tf.matmul(inputs, obj.kernel) + obj.offset
            return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

        return call

    assert findings(save(tmp_path / "model", make_call)) == []


def test_check_leaves_softmax_inside_of_a_model_alone(tmp_path: Path) -> None:
    assert findings(save(tmp_path / "model", computing(classes))) == [], (
        "an offset is added: these are no probabilities"
    )


@pytest.mark.parametrize("dropout", [{}, {"rate": "dropout.rate"}])
def test_check_finds_nothing_in_what_export_writes(dropout: dict[str, str], tmp_path: Path) -> None:
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            tf.keras.Input([4], name="features"),
            layers.Dense(3, kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.1, name="dropout"),
        ]
    )
    hub.export(model, tmp_path / "model", arguments=dropout)
    assert findings(tmp_path / "model") == []
