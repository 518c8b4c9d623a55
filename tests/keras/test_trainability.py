"""Layers that fine-tune some of the variables of a model."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.formats import schema
from tests.conformance.models import IS_KERAS_3
from tests.keras import convolution
from tests.keras.convolution import changed, model_of, names, values

MOVING = ["block1/moving_mean", "block2/moving_mean"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return convolution.save(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize(
    ("trainable", "chosen"),
    [
        ("block2/*", ["block2/gamma", "block2/kernel"]),
        (["head/kernel", "*/gamma"], ["block1/gamma", "block2/gamma", "head/kernel"]),
        (["!block1/*"], ["block2/gamma", "block2/kernel", "head/kernel"]),
        (("block?/*", "!*/gamma"), ["block1/kernel", "block2/kernel"]),
        (lambda variable: len(variable.shape) == 1, ["block1/gamma", "block2/gamma"]),
        (True, convolution.NAMES),
    ],
)
def test_filter_chooses_what_is_trainable(path, trainable, chosen):
    layer = hub.KerasLayer(path, trainable=trainable)

    assert layer.trainable is True
    assert names(layer.trainable_variables) == sorted(chosen)
    assert names(layer.non_trainable_variables) == sorted({*convolution.NAMES, *MOVING} - set(chosen))


@pytest.mark.parametrize("trainable", [3, 0.5, object()])
def test_value_that_is_no_filter_is_refused(path, trainable):
    with pytest.raises(hub.errors.SignatureError, match="says nothing about variables"):
        hub.KerasLayer(path, trainable=trainable)


def test_fit_changes_only_what_the_filter_chose(path):
    layer = hub.KerasLayer(path, trainable="block2/*")
    before = values(layer)
    model_of(layer).fit(convolution.images(), tf.ones([4, 3]), epochs=2, verbose=0)

    assert changed(before, layer) == ["block1/moving_mean", "block2/gamma", "block2/kernel", "block2/moving_mean"]


@pytest.mark.parametrize("wrap", [lambda step: step, tf.function], ids=["eager", "graph"])
def test_custom_loop_trains_what_the_filter_chose_as_the_model_itself_would(path, wrap):
    layer, twin = hub.KerasLayer(path, trainable=["*/kernel", "!head/*"]), hub.load(path)
    kernels = twin.trainable_variables[0], twin.trainable_variables[2]

    @wrap
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(convolution.images(), training=True) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(twin(convolution.images(), training=True) ** 2)
    for gradient, expected in zip(step(), tape.gradient(loss, kernels), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


def test_filter_outlives_toggling(path):
    layer = hub.KerasLayer(path, trainable="block2/*")
    layer.trainable = False
    assert layer.trainable_variables == []
    layer.trainable = True
    assert names(layer.trainable_variables) == ["block2/gamma", "block2/kernel"]


def test_filter_of_a_nested_model_outlives_toggling(path):
    layer = hub.KerasLayer(path, trainable="block2/*")
    model = model_of(layer)
    model.trainable = False
    assert model.trainable_variables == []
    model.trainable = True
    assert names(model.trainable_variables) == ["block2/gamma", "block2/kernel"]


def test_losses_of_frozen_variables_do_not_count(path):
    whole, part = (hub.KerasLayer(path, trainable=each) for each in (True, ["*", "!block1/*"]))
    loss_of_block1 = whole.resolved_object.regularization_losses[0]()

    assert len(whole.losses) == 3
    assert float(sum(part.losses)) == pytest.approx(float(sum(whole.losses) - loss_of_block1))


@pytest.mark.parametrize(
    ("trainable", "chosen"),
    [("block2/*", ["block2/*"]), (lambda variable: "head" in variable.name, ["head/kernel"])],
    ids=["pattern", "function"],
)
@pytest.mark.parametrize("toggled", [True, False])
def test_saved_model_keeps_the_filter(path, tmp_path, trainable, chosen, toggled):
    layer = hub.KerasLayer(path, trainable=trainable)
    layer.trainable = toggled
    model = model_of(layer)
    model.save(tmp_path / "model.keras")
    options = {"safe_mode": False} if IS_KERAS_3 else {"custom_objects": {"KerasLayer": hub.KerasLayer}}
    loaded = tf.keras.models.load_model(tmp_path / "model.keras", **options).layers[-1]

    assert json.loads(json.dumps(loaded.get_config()))["trainable_filter"] == chosen
    assert loaded.trainable is toggled
    loaded.trainable = True
    layer.trainable = True
    assert names(loaded.trainable_variables) == names(layer.trainable_variables)


class _Twins(tf.train.Checkpoint):
    """Two variables of one name."""

    def __init__(self):
        super().__init__()
        self.variables = self.trainable_variables = [tf.Variable(value, name="w") for value in (1.0, 2.0)]

    @tf.function(input_signature=[tf.TensorSpec([None])])
    def __call__(self, inputs):
        return inputs * self.variables[0] * self.variables[1]


def test_choice_among_variables_of_one_name_is_saved(tmp_path):
    tf.saved_model.save(_Twins(), str(tmp_path))
    layer = hub.KerasLayer(tmp_path, trainable=lambda variable: float(variable) == 2.0)
    again = hub.KerasLayer.from_config(layer.get_config())

    assert [float(variable) for variable in again.trainable_variables] == [2.0]


class _Numbered(tf.train.Checkpoint):
    """Six variables."""

    def __init__(self):
        super().__init__()
        self.variables = self.trainable_variables = [tf.Variable(float(n), name=f"v{n}") for n in range(6)]

    @tf.function(input_signature=[tf.TensorSpec([None])])
    def __call__(self, inputs):
        return inputs * tf.add_n(self.variables)


def rename_variables(folder, new_names):
    """As ``rehub.export`` names them; TensorFlow itself saves no names with such letters."""
    file = folder / "saved_model.pb"
    model = schema.message("tensorflow.SavedModel")()
    model.ParseFromString(file.read_bytes())
    for node in model.meta_graphs[0].object_graph_def.nodes:
        if node.WhichOneof("kind") == "variable":
            node.variable.name = new_names.get(node.variable.name, node.variable.name)
    file.write_bytes(model.SerializeToString())


def test_choice_of_variables_whose_names_are_patterns_is_saved(tmp_path):
    tf.saved_model.save(_Numbered(), str(tmp_path / "oddly"))
    oddly = ["!x", "x", "a[0]", "a0", "b*", "bc"]
    rename_variables(tmp_path / "oddly", {f"v{n}": name for n, name in enumerate(oddly)})
    layer = hub.KerasLayer(tmp_path / "oddly", trainable=lambda variable: float(variable) in (0.0, 2.0, 4.0))
    model = tf.keras.Sequential([tf.keras.Input((), batch_size=2), layer])
    model.save(tmp_path / "model.keras")
    options = {"safe_mode": False} if IS_KERAS_3 else {"custom_objects": {"KerasLayer": hub.KerasLayer}}
    loaded = tf.keras.models.load_model(tmp_path / "model.keras", **options).layers[-1]

    assert [variable.name.partition(":")[0] for variable in layer.resolved_object.variables] == oddly
    assert [float(variable) for variable in loaded.trainable_variables] == [0.0, 2.0, 4.0]


def test_weights_fit_layers_with_other_filters(path, tmp_path):
    layer = hub.KerasLayer(path, trainable="head/*")
    model_of(layer).fit(convolution.images(), tf.ones([4, 3]), verbose=0)
    saved = {}
    layer.save_own_variables(saved)
    other = hub.KerasLayer(path, trainable="block1/*")
    other.load_own_variables(saved)

    assert changed(values(layer), other) == []


def test_pattern_that_matches_nothing_lists_the_names(path):
    with pytest.raises(hub.errors.SignatureError, match="'block3/\\*' of trainable= matches none") as caught:
        hub.KerasLayer(path, trainable=["head/*", "block3/*"])
    assert set(convolution.NAMES) == set(caught.value.available)
    assert "block2/gamma" in caught.value.hint


def test_pattern_for_what_the_publisher_froze_says_so(path):
    with pytest.raises(hub.errors.SignatureError, match="only block1/moving_mean, block2/moving_mean"):
        hub.KerasLayer(path, trainable="*/moving_mean")


@pytest.mark.parametrize("trainable", [lambda variable: False, [], ["*", "!*"]], ids=["function", "empty", "excluded"])
def test_filter_that_chooses_nothing_is_refused(path, trainable):
    with pytest.raises(hub.errors.SignatureError, match=r"chooses none of the 5 variables|matches none"):
        hub.KerasLayer(path, trainable=trainable)


def test_filter_of_something_else_is_refused(path):
    with pytest.raises(hub.errors.SignatureError, match="holds 3, which is no pattern"):
        hub.KerasLayer(path, trainable=[3])
