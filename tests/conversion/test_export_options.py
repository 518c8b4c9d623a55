"""What users can say about an export: hyperparameters, signatures, inputs; and what they are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from .keras_models import IS_KERAS_3, floats, keras, layers, mlp

SPEC = tf.TensorSpec([None, 8], tf.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "exported"


def _dropped(outputs):
    return float(np.mean(np.asarray(outputs) == 0.0))


def _dropouts(rate, count=2):
    stack = [layers.Dropout(rate, name=f"dropout_{place}") for place in "abc"[:count]]
    return keras.Sequential([keras.Input((1000,)), *stack])


def test_argument_sets_the_attribute_of_layers(path):
    hub.export(_dropouts(0.25), path, arguments={"dropout_rate": "dropout_*.rate"})
    obj, x = hub.load(path), tf.ones([4, 1000])
    assert _dropped(obj(x, training=True)) == pytest.approx(1 - 0.75**2, abs=0.05)
    assert _dropped(obj(x, training=True, dropout_rate=0.5)) == pytest.approx(0.75, abs=0.05)
    assert _dropped(obj(x, training=True, dropout_rate=tf.constant(0.0))) == 0.0
    assert _dropped(obj(x, dropout_rate=0.5)) == 0.0
    layer = hub.KerasLayer(str(path), trainable=True, arguments={"dropout_rate": 0.9})
    assert _dropped(layer(x, training=True)) == pytest.approx(0.99, abs=0.02)


def test_argument_reaches_layers_of_inner_models_and_mixed_precision(path):
    inner = keras.Sequential([keras.Input((1000,)), layers.Dropout(0.1, name="drop", dtype="mixed_bfloat16")])
    hub.export(keras.Sequential([keras.Input((1000,)), inner]), path, arguments={"rate": "drop.rate"})
    outputs = hub.load(path)(tf.ones([4, 1000]), training=True, rate=0.5)
    assert outputs.dtype == tf.bfloat16
    assert _dropped(tf.cast(outputs, tf.float32)) == pytest.approx(0.5, abs=0.05)


def test_arguments_that_the_model_takes_itself_get_defaults(path):
    class Scaled(tf.Module):
        @tf.function
        def __call__(self, inputs, factor=1.0, shift=0, negate=False):
            outputs = inputs * factor + tf.cast(shift, inputs.dtype)
            return -outputs if negate else outputs

    hub.export(Scaled(), path, inputs=tf.TensorSpec([None]), arguments={"factor": 2.0, "shift": 1, "negate": False})
    obj, x = hub.load(path), tf.constant([1.0])
    assert obj(x).numpy().tolist() == [3.0]
    assert obj(x, factor=3.0, shift=2).numpy().tolist() == [5.0]
    assert obj(x, shift=tf.constant(5), negate=True).numpy().tolist() == [-7.0]


def test_argument_of_the_call_of_a_keras_model_gets_a_default(path):
    class Scaled(keras.Model):
        def call(self, inputs, factor=1.0):
            return inputs * factor

    model = Scaled()
    model(floats(2, 8))
    hub.export(model, path, inputs=SPEC, arguments={"factor": 2.0})
    assert hub.load(path)(tf.ones([1, 8]), factor=3.0).numpy().tolist() == [[3.0] * 8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": "missing.rate"}, "layers with a number 'rate' are: dropout_a, dropout_b"),
        ({"rate": "dropout_a.missing"}, "LAYER.ATTRIBUTE"),
        ({"rate": 0.5}, "takes no argument 'rate'"),
        ({"rate": [0.5]}, "not a number or bool"),
        ({"training": True}, "cannot be called 'training'"),
        ({"no name": "dropout_a.rate"}, "cannot be called 'no name'"),
    ],
)
def test_argument_that_does_not_exist_is_refused(path, arguments, message):
    with pytest.raises(hub.errors.SignatureError, match=message):
        hub.export(_dropouts(0.5), path, arguments=arguments)
    assert not path.exists()


def test_argument_for_layers_that_differ_is_refused(path):
    model = _dropouts(0.5)
    model.get_layer("dropout_b").rate = 0.25
    with pytest.raises(hub.errors.SignatureError, match=r"'dropout_a': 0.5, 'dropout_b': 0.25"):
        hub.export(model, path, arguments={"rate": "dropout_*.rate"})


def test_argument_without_effect_is_refused(path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="dense")])
    with pytest.raises(hub.errors.SignatureError, match="makes no difference: dense"):
        hub.export(model, path, arguments={"units": "dense.units"})
    assert model.get_layer("dense").units == 2
    assert not path.exists()


def test_signatures_of_the_user_stand_beside_the_default_one(path):
    model = mlp()

    @tf.function(input_signature=[tf.TensorSpec([None, 8], tf.float32, name="x")])
    def probabilities(x):
        return {"probabilities": tf.nn.softmax(model(x))}

    hub.export(model, path, signatures={"probabilities": probabilities})
    signatures, x = hub.load(path).signatures, tf.constant(floats(4, 8))
    assert sorted(signatures) == ["probabilities", "serving_default"]
    np.testing.assert_allclose(signatures["serving_default"](x)["output_0"], model(x), rtol=1e-5)
    np.testing.assert_allclose(signatures["probabilities"](x=x)["probabilities"], probabilities(x)["probabilities"])


def test_own_default_signature_replaces_the_usual_one(path):
    model = mlp()
    served = tf.function(lambda x: {"first": model(x)[:, 0]}).get_concrete_function(SPEC)
    hub.export(model, path, signatures={"serving_default": served})
    assert list(hub.load(path).signatures["serving_default"].structured_outputs) == ["first"]


def test_signature_without_inputs_is_refused(path):
    with pytest.raises(hub.errors.SignatureError, match=r"signature 'f' is .* inputs are not known"):
        hub.export(mlp(), path, signatures={"f": tf.function(lambda x: x)})
    assert not path.exists()


def test_inputs_are_wanted_where_the_model_does_not_know_them(path):
    class Plain(tf.Module):
        def __call__(self, inputs):
            return inputs

    with pytest.raises(hub.errors.SignatureError, match=r"inputs=tf.TensorSpec"):
        hub.export(Plain(), path)
    with pytest.raises(hub.errors.SignatureError, match=r"no tf.TensorSpec"):
        hub.export(Plain(), path, inputs=[None, 8])


def test_inputs_that_do_not_fit_are_reported_with_the_reason(path):
    model = mlp()
    with pytest.raises(hub.errors.PublishError, match=r"cannot be called with float32\[\?, 9\].*") as info:
        hub.export(model, path, inputs=tf.TensorSpec([None, 9]))
    assert info.value.__cause__ is not None
    assert not list(path.parent.iterdir())


def test_model_without_weights_is_refused(path):
    with pytest.raises(hub.errors.PublishError, match="no weights yet"):
        hub.export(keras.Sequential([layers.Dense(2)]), path, inputs=SPEC)


@pytest.mark.parametrize("value", ["model", 3, None, tf.Module()])
def test_what_is_no_model_is_refused(path, value):
    with pytest.raises(hub.errors.PublishError, match="Pass a Keras model"):
        hub.export(value, path)


def test_existing_folder_is_refused_and_stays(path):
    path.mkdir()
    (path / "mine.txt").write_text("mine")
    with pytest.raises(hub.errors.PublishError, match="exists, and is not an empty folder"):
        hub.export(mlp(), path)
    assert [file.name for file in path.iterdir()] == ["mine.txt"]


def test_graph_mode_is_refused(path):
    model = mlp()
    with tf.Graph().as_default(), pytest.raises(hub.errors.UsageError, match="graph mode"):
        hub.export(model, path)


@pytest.mark.parametrize("wrapped", [False, True])
def test_optimizer_that_regularizes_is_warned_of(path, wrapped):
    optimizer = keras.optimizers.AdamW(weight_decay=0.02)
    if wrapped:
        optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer)
    model = mlp()
    model.compile(optimizer, "mse")
    with pytest.warns(hub.errors.ExportWarning, match=r"regularizes \(weight_decay=0.02\)") as caught:
        hub.export(model, path)
    assert caught[0].filename == __file__
    assert hub.load(path)(floats(1, 8)).shape == [1, 3]


def test_constraint_is_warned_of(path):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(2, kernel_constraint="non_neg", name="positive")])
    with pytest.warns(hub.errors.ExportWarning, match=r"have constraints \([^,]*positive/kernel\S*\), which are not"):
        hub.export(model, path)


def test_loss_that_depends_on_activations_is_warned_of_and_not_left_in_the_model(path):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(2, activity_regularizer="l2", name="active")])
    before = list(map(id, model.losses))
    with pytest.warns(hub.errors.ExportWarning, match="'active' adds a loss"):
        hub.export(model, path)
    assert list(map(id, model.losses)) == before
    assert not hub.load(path).regularization_losses


if IS_KERAS_3:

    def test_argument_of_a_layer_that_its_default_switches_off_is_refused(path):
        with pytest.raises(hub.errors.SignatureError, match=r"makes no difference: dropout_a.*a positive rate"):
            hub.export(_dropouts(0.0, count=1), path, arguments={"rate": "dropout_a.rate"})

else:

    def test_subclassed_model_of_keras_2_knows_what_it_was_called_with(path):
        class Doubled(keras.Model):
            def call(self, inputs):
                return inputs * 2.0

        model = Doubled()
        model(floats(4, 8))
        hub.export(model, path)
        assert hub.load(path)(tf.ones([2, 8])).numpy().tolist() == [[2.0] * 8] * 2
