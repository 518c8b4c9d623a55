"""Layers that return a tensor from inside of a model."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.conformance.models import IS_KERAS_3, SAMPLES
from tests.keras import convolution
from tests.keras.convolution import changed, model_of, names, values

BLOCK1 = "block1/StatefulPartitionedCall"
ACTIVATION = f"{BLOCK1}/activation"
KINDS = ("dense", "text", "dicts", "sub_objects", "keras2_saved", "keras3_exported", "face_features")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return convolution.save(tmp_path_factory.mktemp("model"))


def first_block(obj, images, training):
    """The activation of the first block, by the variables of the model."""
    kernel, gamma = obj.trainable_variables[:2]
    features = tf.nn.conv2d(images, kernel, strides=1, padding="SAME")
    mean = tf.reduce_mean(features, axis=[0, 1, 2]) if training else obj.variables[-2]
    return tf.nn.relu((features - mean) * gamma)


def listed(path, call):
    return [each.name for each in hub.inspect(path, endpoints=True).meta_graphs[0].activations.get(call, ())]


def taken(path, **options):
    """The names that a layer takes: it lists them when it gets another one, besides the keys of a dict."""
    with pytest.raises(hub.errors.SignatureError) as caught:
        hub.KerasLayer(path, output_key="no such tensor", **options)
    return list(caught.value.tensors)


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.name in KINDS], ids=str)
def test_names_that_inspect_lists_are_those_that_a_layer_takes(sample, tmp_path):
    sample.write(tmp_path)
    options = {name: value for name, value in sample.options.items() if name in ("signature", "arguments")}
    calls = [options.get("signature", "__call__"), *(["serving_default"] if sample.name == "keras2_saved" else [])]

    for call in calls:
        assert listed(tmp_path, call) == taken(tmp_path, **({} if call == "__call__" else {"signature": call}))
    assert listed(tmp_path, calls[0])


def test_names_of_inner_functions_follow_the_name_of_the_call(path):
    assert listed(path, "__call__")[:5] == [
        BLOCK1,
        *(f"{BLOCK1}/{name}" for name in ("convolution", "sub", "activation", "Identity_1")),
    ]
    assert listed(path, "__call__") == taken(path)


@pytest.mark.parametrize("wrap", [lambda step: step, tf.function], ids=["eager", "graph"])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", [BLOCK1, f"{ACTIVATION}:0"])
def test_endpoint_has_values_and_gradients_of_either_mode(path, name, training, wrap):
    layer, twin = hub.KerasLayer(path, trainable=True, output_key=name), hub.load(path)

    @wrap
    def step(images):
        with tf.GradientTape() as tape:
            outputs = layer(images, training=training)
        return outputs, tape.gradient(outputs, layer.trainable_variables)

    outputs, gradients = step(convolution.images())
    with tf.GradientTape() as tape:
        expected = first_block(twin, convolution.images(), training)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    for gradient, wanted in zip(gradients, tape.gradient(expected, twin.trainable_variables[:2]), strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-4)


def test_layer_has_the_variables_and_losses_that_the_endpoint_depends_on(path):
    layer = hub.KerasLayer(path, trainable=True, output_key=ACTIVATION)

    assert names(layer.trainable_variables) == ["block1/gamma", "block1/kernel"]
    assert names(layer.non_trainable_variables) == ["block1/moving_mean"]
    assert float(sum(layer.losses)) == pytest.approx(float(layer.resolved_object.regularization_losses[0]()))


@pytest.mark.parametrize(
    ("name", "moving"), [(f"{BLOCK1}/convolution", []), (ACTIVATION, ["block1/moving_mean"]), (BLOCK1, None)]
)
def test_fit_updates_weights_and_statistics_of_the_kept_part(path, name, moving):
    layer = hub.KerasLayer(path, trainable=True, output_key=name)
    before = values(layer)
    model = tf.keras.Sequential([tf.keras.Input((6, 6, 2)), layer, tf.keras.layers.GlobalAveragePooling2D()])
    model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    model.fit(convolution.images(), tf.ones([4, 4]), epochs=2, verbose=0)

    weights = ["block1/kernel"] if moving == [] else ["block1/gamma", "block1/kernel"]
    assert changed(before, layer) == [*weights, *(["block1/moving_mean"] if moving is None else moving)]


def test_frozen_statistics_of_an_endpoint_keep_their_values(path):
    layer = hub.KerasLayer(path, trainable="*/kernel", output_key=ACTIVATION, batch_norm="frozen")
    before = values(layer)
    outputs = layer(convolution.images(), training=True)

    np.testing.assert_allclose(outputs, first_block(hub.load(path), convolution.images(), True), rtol=1e-5, atol=1e-6)
    assert changed(before, layer) == []
    assert names(layer.trainable_variables) == ["block1/kernel"]


def test_frozen_endpoint_is_not_recorded(path):
    layer = hub.KerasLayer(path, output_key=ACTIVATION)
    with tf.GradientTape() as tape:
        layer(convolution.images())
    assert tape.watched_variables() == ()


def test_tape_watches_what_the_endpoint_depends_on(path):
    layer = hub.KerasLayer(path, trainable=True, output_key=ACTIVATION)
    with tf.GradientTape() as tape:
        layer(convolution.images(), training=True)
    assert names(tape.watched_variables()) == ["block1/gamma", "block1/kernel"]


def test_endpoint_has_its_own_shape_and_dtype(path):
    layer = hub.KerasLayer(path, output_key=ACTIVATION)

    assert tuple(layer.compute_output_shape((None, 6, 6, 2))) == (None, 6, 6, 4)
    model = model_of(layer)
    assert tuple(model.output_shape) == (None, 6, 6, 4)
    assert model.predict(convolution.images(), verbose=0).dtype == np.float32


def test_endpoint_of_a_signature_trains(path):
    layer = hub.KerasLayer(
        path, trainable=True, signature="serving_default", output_key=ACTIVATION, allow_signature_training=True
    )
    outputs = layer(convolution.images(), training=True)

    np.testing.assert_allclose(outputs, first_block(hub.load(path), convolution.images(), False), rtol=1e-5, atol=1e-6)
    assert names(layer.trainable_variables) == ["block1/gamma", "block1/kernel"]


def test_key_of_the_output_comes_before_a_tensor_of_that_name(tmp_path):
    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None])])
        def __call__(self, x):
            return {"doubled": tf.add(tf.multiply(x, 2.0, name="doubled"), 1.0, name="raised")}

    tf.saved_model.save(Model(), str(tmp_path))
    assert listed(tmp_path, "__call__") == ["doubled", "raised", "Identity"]
    for key in ("doubled", "raised"):
        np.testing.assert_array_equal(hub.KerasLayer(tmp_path, output_key=key)(tf.ones([1])), [3.0])
    np.testing.assert_array_equal(hub.KerasLayer(tmp_path, output_key="doubled:0")(tf.ones([1])), [2.0])


def test_unknown_name_tells_close_ones(path):
    with pytest.raises(hub.errors.SignatureError, match="output_key is 'block1/activation'") as caught:
        hub.KerasLayer(path, output_key="block1/activation")
    assert ACTIVATION in caught.value.hint
    assert "rehub inspect --endpoints" in caught.value.hint


def test_saved_model_returns_the_endpoint(path, tmp_path):
    layer = hub.KerasLayer(path, trainable=True, output_key=ACTIVATION)
    model = model_of(layer)
    model.fit(convolution.images(), tf.ones([4, 6, 6, 4]), verbose=0)
    expected = model.predict(convolution.images(), verbose=0)

    model.save(tmp_path / "model.keras")
    options = {"safe_mode": False} if IS_KERAS_3 else {"custom_objects": {"KerasLayer": hub.KerasLayer}}
    loaded = tf.keras.models.load_model(tmp_path / "model.keras", **options)
    np.testing.assert_allclose(loaded.predict(convolution.images(), verbose=0), expected, rtol=1e-5)

    tf.saved_model.save(model, str(tmp_path / "exported"))
    exported = tf.saved_model.load(str(tmp_path / "exported")).signatures["serving_default"]
    (output,) = exported(convolution.images()).values()
    np.testing.assert_allclose(output, expected, rtol=1e-5)


def test_replicas_train_the_endpoint_as_one(path):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    single = hub.KerasLayer(path, trainable=True, output_key=ACTIVATION)
    with strategy.scope():
        layer = hub.KerasLayer(path, trainable=True, output_key=ACTIVATION)
    batches = [convolution.images(1), convolution.images(2)]

    @tf.function
    def step():
        def in_replica():
            images = tf.stack(batches)[tf.distribute.get_replica_context().replica_id_in_sync_group]
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(images) ** 2)
            return tape.gradient(loss, layer.trainable_variables)

        return strategy.run(in_replica)

    got = step()
    for place, images in enumerate(batches):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(single(images) ** 2)
        for mine, wanted in zip(got, tape.gradient(loss, single.trainable_variables), strict=True):
            replica = strategy.experimental_local_results(mine)[place]
            np.testing.assert_allclose(replica, wanted, rtol=1e-4, atol=1e-4)


class _Recurrent(tf.train.Checkpoint):
    """A loop, a condition and a gradient that is not that of the forward computation, in a function of their own."""

    def __init__(self):
        super().__init__()
        initial = [[[0.5, 0.2], [0.1, 0.3]], [[0.4, 0.1], [0.2, 0.6]], 2.0]
        self.variables = self.trainable_variables = [tf.Variable(value) for value in initial]

    @tf.function(input_signature=[tf.TensorSpec([None, 3, 2])])
    def __call__(self, inputs):
        return tf.reduce_sum(tf.identity(self.sequence(inputs), name="sequence"), axis=[1, 2])

    @tf.function
    def sequence(self, inputs):
        into, across, factor = self.variables

        @tf.custom_gradient
        def squashed(values):
            def gradient(upstream):
                return 3.0 * upstream * tf.sigmoid(values)

            return values * tf.sigmoid(values), gradient

        steps = tf.transpose(squashed(inputs @ into), [1, 0, 2])
        states = tf.scan(lambda state, step: tf.tanh(step + state @ across), steps)
        return tf.cond(tf.reduce_sum(states) > 0, lambda: states * factor, lambda: states + factor)


@pytest.mark.parametrize("wrap", [lambda step: step, tf.function], ids=["eager", "graph"])
def test_loops_conditions_and_custom_gradients_are_differentiated(tmp_path, wrap):
    model = _Recurrent()
    tf.saved_model.save(model, str(tmp_path))
    layer = hub.KerasLayer(tmp_path, trainable=True, output_key="sequence")
    inputs = tf.random.stateless_normal([4, 3, 2], [1, 2])

    @wrap
    def step():
        with tf.GradientTape() as tape:
            outputs = layer(inputs, training=True)
        return outputs, tape.gradient(outputs, layer.trainable_variables)

    outputs, gradients = step()
    with tf.GradientTape() as tape:
        expected = model.sequence(inputs)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)
    for gradient, wanted in zip(gradients, tape.gradient(expected, model.variables), strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-4)


class _Squashing(tf.train.Checkpoint):
    """A gradient that takes a tensor of the forward computation."""

    def __init__(self):
        super().__init__()
        self.variables = self.trainable_variables = [tf.Variable(2.0)]

    @tf.function(input_signature=[tf.TensorSpec([None])])
    def __call__(self, inputs):
        @tf.custom_gradient
        def squashed(values):
            results = tf.tanh(values)
            return results, lambda upstream: upstream * (2.0 - results)

        return tf.identity(squashed(inputs * self.variables[0]), name="squashed") + 1.0


def test_custom_gradient_of_an_endpoint_is_saved(tmp_path):
    tf.saved_model.save(_Squashing(), str(tmp_path / "model"))
    layer = hub.KerasLayer(tmp_path / "model", trainable=True, output_key="squashed")
    model = tf.train.Checkpoint(weights=layer.resolved_object.trainable_variables)
    model.call = tf.function(lambda inputs: layer(inputs, training=True), input_signature=[tf.TensorSpec([None])])
    tf.saved_model.save(model, str(tmp_path / "again"))
    again = tf.saved_model.load(str(tmp_path / "again"))

    with tf.GradientTape() as tape:
        outputs = again.call(tf.constant([0.1, 0.2]))
    (gradient,) = tape.gradient(outputs, list(again.weights))
    np.testing.assert_allclose(gradient, sum(x * (2.0 - np.tanh(2.0 * x)) for x in (0.1, 0.2)), rtol=1e-5)


def test_lookup_tables_are_reached(tmp_path):
    sample = next(sample for sample in SAMPLES if sample.name == "text")
    sample.write(tmp_path)
    layer = hub.KerasLayer(tmp_path, output_key="embedding_lookup")

    np.testing.assert_allclose(tf.reduce_mean(layer(sample.inputs), axis=1), hub.load(tmp_path)(sample.inputs))
