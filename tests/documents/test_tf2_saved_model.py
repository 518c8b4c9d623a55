"""The samples of the document "SavedModels from TF Hub in TensorFlow 2", as a reader would type them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from .keras_saving import ENDS_WITH_SAVE, export_piece
from .models import EMBEDDING_SIZE, FEATURES, IMAGE_SIZE, VOCABULARY

SENTENCES = ["A long sentence.", "single-word", "http://example.com"]


def images(count: int = 4) -> tf.Tensor:
    return tf.random.stateless_uniform([count, IMAGE_SIZE, IMAGE_SIZE, 3], seed=[count, 5])


def test_embed_returns_one_vector_for_each_sentence(text_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    embed = hub.KerasLayer(text_url)
    embeddings = embed(["A long sentence.", "single-word", "http://example.com"])
    print(embeddings.shape, embeddings.dtype)

    assert capsys.readouterr().out == "(3, 128) <dtype: 'float32'>\n"
    np.testing.assert_array_equal(embeddings, hub.load(text_url)(tf.constant(SENTENCES)))


def test_text_classifier_learns_while_embedding_stays(text_url: str) -> None:
    embed = hub.KerasLayer(text_url)
    model = tf.keras.Sequential(
        [
            embed,
            tf.keras.layers.Dense(16, activation="relu"),
            tf.keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(tf.keras.optimizers.Adam(0.05), "binary_crossentropy")
    data = tf.data.Dataset.from_tensor_slices((["good film", "bad film"] * 4, [[1.0], [0.0]] * 4)).batch(4)
    history = model.fit(data, epochs=8, verbose=0)

    assert history.history["loss"][-1] < 0.2 * history.history["loss"][0]
    assert model.predict(tf.constant(["good", "bad"]), verbose=0).round().tolist() == [[1.0], [0.0]]
    assert embed.trainable_weights == []
    assert len(model.trainable_weights) == 4
    np.testing.assert_array_equal(embed.weights[0], hub.load(text_url).embeddings)


def test_layer_applied_twice_shares_its_weights(text_url: str) -> None:
    embed = hub.KerasLayer(text_url, trainable=True)
    left, right = (tf.keras.Input([], dtype=tf.string) for _ in range(2))
    model = tf.keras.Model([left, right], tf.keras.layers.Subtract()([embed(left), embed(right)]))

    assert len(model.trainable_weights) == 1
    assert not np.any(model([tf.constant(["good"]), tf.constant(["good"])]))


def test_load_puts_model_into_the_folder_that_tfhub_cache_dir_names(
    text_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    hub.load(text_url)

    assert len(list(tmp_path.rglob("saved_model.pb"))) == 1
    assert hub.resolve(text_url).startswith(str(tmp_path))


def test_load_accepts_a_filesystem_path(text_url: str) -> None:
    obj = hub.load(hub.resolve(text_url))

    assert obj(tf.constant(SENTENCES)).shape == [3, EMBEDDING_SIZE]


def test_loaded_object_offers_its_signatures_as_functions_of_named_tensors(image_url: str) -> None:
    obj = hub.load(image_url)
    tensors_in = {"images": images()}
    tensors_out = obj.signatures["serving_default"](**tensors_in)

    assert list(tensors_out) == ["output_0"]
    assert tensors_out["output_0"].shape == [4, FEATURES]


def test_loaded_object_runs_its_traced_methods(text_url: str, image_url: str) -> None:
    obj = hub.load(image_url)
    input_tensor = images()
    output_tensor = obj(input_tensor, training=False)

    np.testing.assert_allclose(output_tensor, obj.signatures["serving_default"](input_tensor)["output_0"], rtol=1e-6)
    assert hub.load(text_url).tokenize(tf.constant(["single-word"])).to_list() == [[b"single", b"word"]]


def test_gradient_tape_watches_the_trainable_variables_of_a_loaded_object(image_url: str) -> None:
    obj = hub.load(image_url)
    with tf.GradientTape() as tape:
        obj(images(), training=True)

    assert {v.ref() for v in tape.watched_variables()} == {v.ref() for v in obj.trainable_variables}
    assert len(obj.trainable_variables) == 2
    assert len(obj.variables) == 3


def test_loaded_object_is_tuned_with_a_tape(image_url: str) -> None:
    obj = hub.load(image_url)
    optimizer = tf.keras.optimizers.SGD(0.1)
    before = [variable.numpy() for variable in obj.variables]
    losses = []
    for _ in range(5):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((obj(images(16), training=True) - 1.0) ** 2) + tf.add_n(
                [regularizer() for regularizer in obj.regularization_losses]
            )
        gradients = tape.gradient(loss, obj.trainable_variables)
        optimizer.apply_gradients(zip(gradients, obj.trainable_variables, strict=True))
        losses.append(float(loss))

    assert losses[-1] < losses[0]
    assert all(np.any(variable != old) for variable, old in zip(obj.variables, before, strict=True))


def test_piece_of_a_keras_model_is_shared_when_it_is_a_model_of_its_own(tmp_path: Path) -> None:
    piece_to_share = tf.keras.Sequential(
        [
            tf.keras.Input([4]),
            tf.keras.layers.Dense(3, kernel_regularizer=tf.keras.regularizers.L2(0.1)),
            tf.keras.layers.BatchNormalization(),
        ]
    )
    full_model = tf.keras.Sequential([piece_to_share, tf.keras.layers.Dense(1)])
    full_model.compile("sgd", "mse")
    full_model.fit(tf.random.normal([8, 4]), tf.ones([8, 1]), verbose=0)
    if ENDS_WITH_SAVE:
        piece_to_share.save(tmp_path / "piece")
    else:
        export_piece(piece_to_share, tmp_path / "piece")

    layer = hub.KerasLayer(str(tmp_path / "piece"), trainable=True)
    x = tf.random.normal([2, 4])
    np.testing.assert_allclose(layer(x), piece_to_share(x), rtol=1e-5)
    np.testing.assert_allclose(layer(x, training=True), piece_to_share(x, training=True), rtol=1e-5)
    assert len(layer.trainable_weights) == len(piece_to_share.trainable_weights) == 4
    assert len(layer.non_trainable_weights) == 2
    np.testing.assert_allclose(sum(layer.losses), sum(piece_to_share.losses), rtol=1e-6)


def test_piece_of_a_keras_model_is_cut_out_after_the_fact(tmp_path: Path) -> None:
    inputs = tf.keras.Input([4])
    hidden = tf.keras.layers.Dense(3, activation="relu", name="first")(inputs)
    hidden = tf.keras.layers.Dense(2, activation="relu", name="pooled")(hidden)
    full_model = tf.keras.Model(inputs, tf.keras.layers.Dense(1, name="head")(hidden))
    full_model.compile("sgd", "mse")
    full_model.fit(tf.random.normal([8, 4]), tf.ones([8, 1]), verbose=0)
    if ENDS_WITH_SAVE:
        sharing_input = full_model.get_layer("first").get_input_at(0)
        sharing_output = full_model.get_layer("pooled").get_output_at(0)
        piece_to_share = tf.keras.Model(sharing_input, sharing_output)
        piece_to_share.save(tmp_path / "piece", include_optimizer=False)
    else:
        piece_to_share = tf.keras.Model(full_model.get_layer("first").input, full_model.get_layer("pooled").output)
        export_piece(piece_to_share, tmp_path / "piece")

    obj = hub.load(tmp_path / "piece")
    x = tf.random.normal([2, 4])
    np.testing.assert_allclose(obj(x, training=False), piece_to_share(x), rtol=1e-5)
    assert [v.shape.as_list() for v in obj.trainable_variables] == [[4, 3], [3], [3, 2], [2]]
    assert len(hub.KerasLayer(obj, trainable=True).trainable_weights) == 4


def test_whole_keras_model_is_shared_without_its_optimizer(tmp_path: Path) -> None:
    model = tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(tf.random.normal([8, 4]), tf.ones([8, 2]), verbose=0)
    if ENDS_WITH_SAVE:
        model.save(tmp_path / "model", include_optimizer=False)
    else:
        export_piece(model, tmp_path / "model")

    names = [name for name, _ in tf.train.list_variables(str(tmp_path / "model" / "variables" / "variables"))]
    assert not [name for name in names if "optimizer" in name]
    x = tf.random.normal([2, 4])
    np.testing.assert_allclose(hub.load(tmp_path / "model")(x), model(x), rtol=1e-5)


def test_my_mul_model_prints_what_the_document_says(tmp_path: Path) -> None:
    class MyMulModel(tf.train.Checkpoint):
        def __init__(self, v_init):
            super().__init__()
            self.v = tf.Variable(v_init)
            self.variables = [self.v]
            self.trainable_variables = [self.v]
            self.regularization_losses = [
                tf.function(input_signature=[])(lambda: 0.001 * self.v**2),
            ]

        @tf.function(input_signature=[tf.TensorSpec(shape=None, dtype=tf.float32)])
        def __call__(self, inputs):
            return tf.multiply(inputs, self.v)

    tf.saved_model.save(MyMulModel(2.0), str(tmp_path / "my_mul"))

    layer = hub.KerasLayer(str(tmp_path / "my_mul"))
    assert layer([10.0, 20.0]).numpy().tolist() == [20.0, 40.0]
    assert layer.trainable_weights == []
    assert sum(layer.losses) == 0
    layer.trainable = True
    assert [float(weight) for weight in layer.trainable_weights] == [2.0]
    np.testing.assert_allclose(layer.losses, [0.004], rtol=1e-6)


def test_trainable_layer_runs_in_training_mode_and_adds_weights_and_regularizers(image_url: str) -> None:
    layer = hub.KerasLayer(image_url, trainable=True)
    frozen = hub.KerasLayer(image_url)
    model = tf.keras.Sequential([layer, tf.keras.layers.Dense(2)])
    model.build([None, IMAGE_SIZE, IMAGE_SIZE, 3])

    assert len(model.trainable_weights) == 4
    assert len(layer.non_trainable_weights) == 1
    loaded = hub.load(image_url)
    np.testing.assert_allclose(sum(model.losses), sum(loss() for loss in loaded.regularization_losses), rtol=1e-6)
    assert np.any(layer(images(), training=True) == 0.0), "dropout has zeroed something"
    assert not np.any(layer(images(), training=False) == 0.0)
    assert not np.any(frozen(images(), training=True) == 0.0), "a frozen layer runs in inference mode"


def tune(hub_layer: hub.KerasLayer) -> None:
    model = tf.keras.Sequential([hub_layer, tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.SGD(0.05), "mse")
    model.fit(images(16), tf.ones([16, 1]), epochs=2, verbose=0)


def assert_is_tuned_image_model(export_module_dir: str, tuned: object, image_url: str) -> None:
    again = hub.load(export_module_dir)
    published = hub.load(image_url)
    for new, kept, old in zip(again.variables, tuned.variables, published.variables, strict=True):
        np.testing.assert_array_equal(new, kept)
        assert np.any(new != old), f"{old.name} was trained, or moved with the batches"
    np.testing.assert_allclose(again(images(), training=False), tuned(images(), training=False), rtol=1e-6)
    assert np.any(again(images(), training=True) == 0.0), "the training mode survived"
    served = again.signatures["serving_default"](images=images())["output_0"]
    np.testing.assert_allclose(served, again(images(), training=False), rtol=1e-6)
    np.testing.assert_allclose(again.head(tf.ones([1, FEATURES])), [again.gamma], rtol=1e-6)
    assert [v.ref() for v in again.head.trainable_variables] == [again.trainable_variables[1].ref()]
    np.testing.assert_allclose(
        [loss() for loss in again.regularization_losses],
        [0.01 * tf.reduce_sum(again.kernel**2), 0.1 * tf.reduce_sum(again.gamma**2)],
        rtol=1e-6,
    )
    layer = hub.KerasLayer(export_module_dir, trainable=True)
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (2, 1)


def test_loaded_object_is_re_exported_after_tuning_it_in_a_layer(
    image_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded_obj = hub.load(image_url)
    hub_layer = hub.KerasLayer(loaded_obj, trainable=True)
    tune(hub_layer)

    export_module_dir = os.path.join(os.getcwd(), "finetuned_model_export")  # noqa: PTH109, PTH118 - the sample's text
    tf.saved_model.save(loaded_obj, export_module_dir)

    assert_is_tuned_image_model(export_module_dir, loaded_obj, image_url)


def test_layer_made_from_a_url_is_re_exported_through_its_resolved_object(image_url: str, tmp_path: Path) -> None:
    hub_layer = hub.KerasLayer(image_url, trainable=True)
    tune(hub_layer)
    tf.saved_model.save(hub_layer.resolved_object, str(tmp_path / "export"))

    assert_is_tuned_image_model(str(tmp_path / "export"), hub_layer.resolved_object, image_url)


@pytest.mark.parametrize("route", ["object", "url"])
def test_re_export_keeps_vocabulary_and_methods(text_url: str, tmp_path: Path, route: str) -> None:
    layer = hub.KerasLayer(hub.load(text_url) if route == "object" else text_url, trainable=True)
    model = tf.keras.Sequential([layer, tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.SGD(1.0), "mse")
    model.fit(tf.data.Dataset.from_tensors((tf.constant(["good film", "bad film"]), [[1.0], [0.0]])), verbose=0)
    tf.saved_model.save(layer.resolved_object, str(tmp_path / "export"))

    # The export stands on its own: neither the cache nor the process that wrote it is needed.
    (tmp_path / "export").rename(tmp_path / "moved")
    again = hub.load(tmp_path / "moved")
    assert (tmp_path / "moved" / "assets" / "vocabulary.txt").read_text().split() == list(VOCABULARY)
    assert again.tokenize(tf.constant(["Good film!"])).to_list() == [[b"good", b"film"]]
    np.testing.assert_allclose(again(tf.constant(SENTENCES)), layer(tf.constant(SENTENCES)), rtol=1e-6)
    changed = np.any(again.embeddings.numpy() != hub.load(text_url).embeddings.numpy(), axis=1)
    assert [word for word, is_new in zip(VOCABULARY, changed[:-1], strict=True) if is_new] == ["good", "bad", "film"]


@pytest.mark.parametrize("training", [True, False])
def test_re_exported_model_can_be_tuned_again(image_url: str, tmp_path: Path, training: bool) -> None:
    first = hub.load(image_url)
    tune(hub.KerasLayer(first, trainable=True))
    tf.saved_model.save(first, str(tmp_path / "first"))
    layer = hub.KerasLayer(str(tmp_path / "first"), trainable=training)
    tune(layer)

    assert np.any(layer.resolved_object.kernel != first.kernel) == training
