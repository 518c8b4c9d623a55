"""What users of the old library ran into when they loaded, layered, saved and trained models: one name for each."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import SignatureError

from .models import EMBEDDING_SIZE, FEATURES, IMAGE_SIZE

IMAGES = np.linspace(0.0, 1.0, 4 * IMAGE_SIZE * IMAGE_SIZE * 3, dtype="float32").reshape(4, IMAGE_SIZE, IMAGE_SIZE, 3)
SENTENCES = tf.constant(["a good film", "bad"])


def run_python(program: str, **environment: str) -> str:
    source = Path(hub.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(source), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_load_and_layer_work_without_pkg_resources_and_estimator(image_url: str) -> None:
    output = run_python(f"""
import sys
from importlib.machinery import PathFinder

ABSENT = {{"pkg_resources", "setuptools", "tensorflow_hub", "tensorflow_estimator"}}

class Present(PathFinder):  # does not raise: TensorFlow 2.15 asks by find_spec whether there are Estimators
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Present
import numpy as np
import rehub as hub
print(hub.KerasLayer({image_url!r})(np.ones([1, {IMAGE_SIZE}, {IMAGE_SIZE}, 3], "float32")).shape)
print(sorted(ABSENT & sys.modules.keys()))
""")

    assert output.splitlines() == [f"(1, {FEATURES})", "[]"]


def test_layer_is_a_layer_of_the_keras_in_use(image_url: str) -> None:
    layer = hub.KerasLayer(image_url)
    inputs = tf.keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3])

    assert isinstance(layer, tf.keras.layers.Layer)
    assert tf.keras.Sequential([layer]).predict(IMAGES, verbose=0).shape == (4, FEATURES)
    assert tf.keras.Model(inputs, layer(inputs)).predict(IMAGES, verbose=0).shape == (4, FEATURES)


def classifier(layer: hub.KerasLayer) -> tf.keras.Model:
    inputs = tf.keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3])
    return tf.keras.Model(inputs, tf.keras.layers.Dense(2)(layer(inputs)))


def read_back(file: Path) -> tf.keras.Model:
    return tf.keras.models.load_model(file, safe_mode=False)


def test_saved_keras_file_loads_without_custom_objects(image_url: str, tmp_path: Path) -> None:
    model = classifier(hub.KerasLayer(image_url, trainable=True))
    model.compile("sgd", "mse")
    model.fit(IMAGES, np.ones([4, 2], "float32"), verbose=0)
    model.save(tmp_path / "model.keras")

    np.testing.assert_allclose(
        read_back(tmp_path / "model.keras").predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0), rtol=1e-5
    )


def test_saved_keras_file_names_the_url_and_no_cache_folder(image_url: str, cache_folder: Path, tmp_path: Path) -> None:
    classifier(hub.KerasLayer(image_url)).save(tmp_path / "model.keras")
    shutil.unpack_archive(tmp_path / "model.keras", tmp_path / "unpacked", "zip")
    config = (tmp_path / "unpacked" / "config.json").read_text()

    assert image_url in config
    assert str(cache_folder) not in config


def test_saved_keras_file_opens_anywhere_when_it_embeds_its_model(image_url: str, tmp_path: Path) -> None:
    shutil.copytree(hub.resolve(image_url), tmp_path / "here")
    model = classifier(hub.KerasLayer(str(tmp_path / "here"), embed_saved_model=True))
    model.save(tmp_path / "model.keras")
    shutil.rmtree(tmp_path / "here")

    np.testing.assert_allclose(
        read_back(tmp_path / "model.keras").predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0), rtol=1e-5
    )


def test_two_layers_of_one_model_save_their_weights_under_two_names(image_url: str, tmp_path: Path) -> None:
    def build() -> tf.keras.Model:
        inputs = tf.keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3])
        towers = [hub.KerasLayer(image_url, trainable=True, name=name)(inputs) for name in ("left", "right")]
        return tf.keras.Model(inputs, tf.keras.layers.Subtract()(towers))

    model, again = build(), build()
    model.get_layer("left").resolved_object.gamma.assign([2.0] * FEATURES)
    model.save_weights(tmp_path / "model.weights.h5")
    again.load_weights(tmp_path / "model.weights.h5")

    assert np.any(model(IMAGES) != 0.0)
    np.testing.assert_array_equal(again(IMAGES), model(IMAGES))


def test_tags_survive_in_the_config_of_a_layer(hub_url: str) -> None:
    layer = hub.KerasLayer(f"{hub_url}/acme/two-graphs/1", tags=["serve", "gpu"], signature="serving_default")
    again = type(layer).from_config(layer.get_config())

    assert again([[1.0, 2.0]]).numpy().tolist() == [[3.0]]


def test_output_shape_is_known_while_a_model_is_built(image_url: str, text_url: str) -> None:
    assert tuple(classifier(hub.KerasLayer(image_url)).layers[1].output.shape) == (None, FEATURES)
    text = tf.keras.Input([], dtype=tf.string)
    assert tuple(hub.KerasLayer(text_url)(text).shape) == (None, EMBEDDING_SIZE)


def test_layer_runs_inside_time_distributed(image_url: str) -> None:
    layer = hub.KerasLayer(image_url)
    model = tf.keras.Sequential(
        [tf.keras.Input([None, IMAGE_SIZE, IMAGE_SIZE, 3]), tf.keras.layers.TimeDistributed(layer)]
    )

    np.testing.assert_allclose(model(IMAGES[None]), layer(IMAGES)[None], rtol=1e-5)


def test_layer_takes_half_precision_of_the_layers_before_it(image_url: str) -> None:
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = tf.keras.Sequential(
            [tf.keras.layers.Conv2D(3, 1), hub.KerasLayer(image_url, trainable=True), tf.keras.layers.Dense(1)]
        )
        model.compile("sgd", "mse")
        history = model.fit(IMAGES, np.ones([4, 1], "float32"), verbose=0)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")

    assert model.layers[0].compute_dtype == "float16"
    assert np.isfinite(history.history["loss"]).all()
    assert {variable.dtype for variable in model.layers[1].resolved_object.variables} == {tf.float32}


@pytest.mark.parametrize("dtype", [tf.float64, tf.float16, tf.int32, tf.bool, tf.complex64], ids=lambda d: d.name)
def test_layer_keeps_the_dtype_of_its_model(tmp_path: Path, dtype: tf.DType) -> None:
    module = tf.Module()
    module.__call__ = tf.function(tf.identity, input_signature=[tf.TensorSpec([None], dtype)])
    tf.saved_model.save(module, str(tmp_path))
    layer = hub.KerasLayer(str(tmp_path))

    assert layer([False, True] if dtype == tf.bool else [0, 1]).dtype == dtype
    assert layer(tf.keras.Input([], dtype=dtype)).dtype == (dtype if not hasattr(tf.keras, "version") else dtype.name)


def test_call_that_fits_no_trace_says_in_what_the_input_differs(image_url: str) -> None:
    layer = hub.KerasLayer(image_url)

    with pytest.raises(SignatureError, match=r"size 9 along axis 1, not 8") as info:
        layer(np.zeros([1, 9, IMAGE_SIZE, 3], "float32"))
    assert "fits none of its traces" in str(info.value)
    assert "(float32[?, 8, 8, 3], True)" in str(info.value)


def test_layer_of_a_model_with_one_graph_needs_no_tags(hub_url: str) -> None:
    layer = hub.KerasLayer(f"{hub_url}/acme/tagged-graph/1", signature="sig", output_key="sum")

    assert layer({"x1": tf.constant([1.0]), "x2": tf.constant([2.0])}).numpy().tolist() == [3.0]


def test_layer_of_a_model_with_several_graphs_lists_their_tags(hub_url: str) -> None:
    with pytest.raises(SignatureError, match=r"\['serve'\], \['gpu', 'serve'\]"):
        hub.KerasLayer(f"{hub_url}/acme/two-graphs/1", signature="serving_default")


def test_layer_of_a_model_that_cannot_be_called_lists_signatures_with_inputs_and_outputs(hub_url: str) -> None:
    with pytest.raises(SignatureError, match="not callable") as info:
        hub.KerasLayer(f"{hub_url}/acme/tagged-graph/1")

    assert info.value.available == ("sig",)
    for text in ("sig(", "x1: float32[?]", "x2: float32[?]", "sum: float32[?]", "scaled: float32[?]"):
        assert text in str(info.value)


@pytest.fixture
def served_only(tmp_path: Path) -> str:
    """A TF2 model with a signature only, ``y = w * x``, as servers want it."""
    module = tf.Module()
    module.w = tf.Variable(2.0)
    module.run = tf.function(lambda x: {"y": module.w * x}, input_signature=[tf.TensorSpec([None], name="x")])
    tf.saved_model.save(module, str(tmp_path / "served"), signatures=module.run)
    return str(tmp_path / "served")


def test_signature_is_trained_when_the_user_asks_for_it(served_only: str) -> None:
    layer = hub.KerasLayer(served_only, trainable=True, signature="serving_default", allow_signature_training=True)
    model = tf.keras.Sequential([layer])
    model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    model.fit(np.ones([4], "float32"), np.ones([4], "float32"), verbose=0)

    np.testing.assert_allclose([float(weight) for weight in layer.trainable_weights], [1.8], rtol=1e-6)


def test_training_a_signature_names_the_switch_when_it_is_off(served_only: str) -> None:
    layer = hub.KerasLayer(served_only, trainable=True, signature="serving_default")

    with pytest.raises(SignatureError, match="allow_signature_training=True"):
        layer([1.0])


def test_tuning_on_two_devices_equals_that_of_a_native_layer() -> None:
    folder = Path(__file__).parents[1] / "data" / "models" / "half_plus_two"
    output = run_python(f"""
import numpy as np
import tensorflow as tf
import rehub as hub

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

class Native(tf.keras.layers.Layer):
    def build(self, input_shape):
        self.a = self.add_weight(name="a", shape=(), initializer=tf.keras.initializers.Constant(0.5))
        self.b = self.add_weight(name="b", shape=(), initializer=tf.keras.initializers.Constant(2.0))

    def call(self, x):
        return self.a * x + self.b

def train(make):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        layer = make()
        model = tf.keras.Sequential([layer])
        model.compile(tf.keras.optimizers.SGD(0.01), "mse")
    x = np.linspace(-1.0, 1.0, 8, dtype="float32")
    model.fit(tf.data.Dataset.from_tensor_slices((x, 3.0 * x)).batch(4), epochs=3, verbose=0)
    return [float(np.asarray(weight)) for weight in layer.get_weights()]

ours, native = train(lambda: hub.KerasLayer({str(folder)!r}, trainable=True)), train(Native)
print(np.allclose(ours, native, rtol=1e-5), ours[0] > 0.51, ours[1] < 1.99, len(ours))
""")

    assert output.split() == ["True", "True", "True", "2"]


def test_loading_from_a_url_many_times_keeps_no_object_alive(image_url: str) -> None:
    alive = []
    for _ in range(5):
        layer = hub.KerasLayer(image_url, trainable=True)
        layer(IMAGES, training=True)
        alive += [weakref.ref(each) for each in (layer, layer.resolved_object, *layer.resolved_object.variables)]
    del layer
    gc.collect()

    assert not [reference() for reference in alive if reference() is not None]


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda what: pickle.loads(pickle.dumps(what))])
@pytest.mark.parametrize("make", [hub.load, hub.KerasLayer, lambda url: hub.KerasLayer(hub.load(url))])
def test_model_and_layer_can_be_pickled_and_copied(text_url: str, twin_of, make) -> None:
    original = make(text_url)
    loaded = getattr(original, "resolved_object", original)
    loaded.embeddings.assign(loaded.embeddings + 1.0)
    twin = twin_of(original)
    expected = original(SENTENCES).numpy()
    loaded.embeddings.assign(loaded.embeddings + 1.0)

    np.testing.assert_array_equal(twin(SENTENCES), expected)


def test_keras_model_with_a_layer_can_be_pickled(image_url: str) -> None:
    layer = hub.KerasLayer(image_url)
    layer.resolved_object.gamma.assign([2.0] * FEATURES)
    model = classifier(layer)

    np.testing.assert_allclose(pickle.loads(pickle.dumps(model))(IMAGES), model(IMAGES), rtol=1e-6)


def test_frozen_layer_is_not_recorded_by_a_tape(image_url: str) -> None:
    layer = hub.KerasLayer(image_url)
    head = tf.keras.layers.Dense(1)
    head.build([None, FEATURES])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(head(layer(IMAGES)))

    watched = {variable.ref() for variable in tape.watched_variables()}
    assert not watched & {variable.ref() for variable in layer.resolved_object.variables}
    np.testing.assert_allclose(
        tape.gradient(loss, head.trainable_weights)[0][:, 0], tf.reduce_sum(layer(IMAGES), 0), rtol=1e-5
    )


def test_gradient_that_nobody_asks_for_is_not_computed(tmp_path: Path) -> None:
    class WithoutGradient(tf.Module):
        """Scales pixels by an op for which TensorFlow has no gradient."""

        def __init__(self):
            super().__init__()
            self.w = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([2])])
        def __call__(self, x):
            picture = tf.reshape(x * self.w, [1, 2, 1])
            return tf.reshape(tf.raw_ops.AdjustContrastv2(images=picture, contrast_factor=1.0), [2])

    tf.saved_model.save(WithoutGradient(), str(tmp_path))
    x = tf.constant([3.0, 4.0])
    layer = hub.KerasLayer(str(tmp_path))
    head = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(head * layer(x))
    assert float(tape.gradient(loss, head)) == 14.0

    with tf.GradientTape() as tape:
        tape.watch(x)
        with pytest.raises(LookupError, match="AdjustContrastv2"):
            tape.gradient(tf.reduce_sum(layer(x)), x)
