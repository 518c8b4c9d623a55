from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import NoConfigError, SignatureError, UsageError

DATA = Path(__file__).parent.parent / "data/tf1_hub"
TEXT, IMAGE = DATA / "text_vocab", DATA / "image"
TEXTS = ["one", "two three", ""]
COLUMN = [[text] for text in TEXTS]
KERAS_2 = not hasattr(tf.keras, "version")

input_layer = tf.compat.v1.feature_column.input_layer


def embed(texts: list[str]) -> Any:
    with hub.eval_function_for_module(str(TEXT)) as embedding:
        return embedding(texts)


def run(fetches: Any, *, before: Any = ()) -> Any:
    """Initializes the graph and runs it."""
    with tf.compat.v1.Session() as session:
        session.run([tf.compat.v1.global_variables_initializer(), tf.compat.v1.tables_initializer()])
        session.run(before)
        return session.run(fetches)


def some_module(kind: Any = tf.string, shape: Any = (None,), size: int | None = 3, name: str = "default") -> Any:
    def module_fn() -> None:
        value = tf.compat.v1.placeholder(kind, shape)
        result = tf.compat.v1.placeholder_with_default(tf.zeros([1, 3]), [None, size])
        hub.add_signature(inputs={name: value}, outputs=result)

    return hub.create_module_spec(module_fn)


def columns() -> list[Any]:
    return [
        hub.text_embedding_column("text", str(TEXT), trainable=True),
        hub.sparse_text_embedding_column("texts", str(TEXT), "sqrtn", default_value="one"),
        hub.image_embedding_column("image", str(IMAGE), image_size=(8, 8)),
        hub.text_embedding_column_v2("text", str(TEXT), output_key="default"),
    ]


@pytest.mark.parametrize("texts", [COLUMN, TEXTS])
def test_text_column_embeds_one_text_of_each_example(texts: Any) -> None:
    with tf.Graph().as_default():
        found = run(input_layer({"text": tf.constant(texts)}, hub.text_embedding_column("text", TEXT)))
    np.testing.assert_allclose(found, embed(TEXTS))


@pytest.mark.parametrize("trainable", [False, True])
def test_text_column_is_trained_only_when_asked(trainable: bool) -> None:
    with tf.Graph().as_default():
        column = hub.text_embedding_column("text", TEXT, trainable=trainable)
        by_column: dict[Any, Any] = {}
        input_layer({"text": tf.constant(COLUMN)}, [column], cols_to_vars=by_column)
        assert len(by_column[column]) == 3
        assert len(tf.compat.v1.trainable_variables()) == 3 * trainable
        assert len(tf.compat.v1.get_collection("regularization_losses")) == 3 * trainable
        assert len(tf.compat.v1.global_variables()) == len(tf.compat.v1.model_variables()) == 3


def test_input_layer_that_is_not_trainable_freezes_its_columns() -> None:
    with tf.Graph().as_default():
        input_layer(
            {"text": tf.constant(COLUMN)}, hub.text_embedding_column("text", TEXT, trainable=True), trainable=False
        )
        assert tf.compat.v1.trainable_variables() == []


def test_input_layer_puts_variables_into_the_collections_that_it_is_told() -> None:
    with tf.Graph().as_default():
        input_layer({"text": tf.constant(COLUMN)}, hub.text_embedding_column("text", TEXT), weight_collections=["mine"])
        assert tf.compat.v1.get_collection("mine") == tf.compat.v1.global_variables()


@pytest.mark.parametrize("combiner", ["mean", "sqrtn", "sum"])
@pytest.mark.parametrize("default", [None, "three"])
def test_sparse_text_column_combines_the_texts_of_each_example(combiner: str, default: str | None) -> None:
    with tf.Graph().as_default():
        texts = tf.sparse.from_dense([["one", "", "two"], ["", "", ""], ["three", "", ""]])
        found = run(input_layer({"texts": texts}, hub.sparse_text_embedding_column("texts", TEXT, combiner, default)))
    one, two, three = embed(["one", "two", "three"])
    both = (one + two) / {"mean": 2, "sqrtn": 2**0.5, "sum": 1}[combiner]
    np.testing.assert_allclose(found, [both, 0 * three if default is None else three, three], rtol=1e-6)


def test_sparse_text_column_trains_the_module() -> None:
    with tf.Graph().as_default():
        texts = tf.sparse.from_dense([["one", "two"]])
        column = hub.sparse_text_embedding_column("texts", TEXT, "mean", None, trainable=True)
        found = input_layer({"texts": texts}, column)
        gradients = tf.gradients(found, tf.compat.v1.trainable_variables())
        assert len(gradients) == 3
        assert all(gradient is not None for gradient in gradients)


@pytest.mark.parametrize("size", [None, (8, 8)])
def test_image_column_gives_features(size: tuple[int, int] | None) -> None:
    images = np.linspace(0, 1, 2 * 8 * 8 * 3, dtype=np.float32).reshape(2, 8, 8, 3)
    with tf.Graph().as_default():
        column = hub.image_embedding_column("image", IMAGE, size)
        found = run(input_layer({"image": tf.constant(images)}, column))
        assert tf.compat.v1.trainable_variables() == []
    with hub.eval_function_for_module(IMAGE) as module:
        np.testing.assert_allclose(found, module({"images": images}), rtol=1e-5)


def test_columns_parse_examples() -> None:
    text, sparse, image, second_text = columns()
    assert tf.feature_column.make_parse_example_spec([text, sparse, image]) == {
        "text": tf.io.FixedLenFeature([1], tf.string),
        "texts": tf.io.VarLenFeature(tf.string),
        "image": tf.io.FixedLenFeature([8, 8, 3], tf.float32),
    }
    assert second_text.parse_example_spec == text.parse_example_spec
    assert hub.image_embedding_column("image", IMAGE, (4, 6)).parse_example_spec["image"].shape == [4, 6, 3]
    assert hub.image_embedding_column("image", IMAGE).parse_example_spec["image"].shape == [8, 8, 3]


def test_columns_tell_their_shape_and_name() -> None:
    assert [column.variable_shape.as_list() for column in columns()[:3]] == [[4], [4], [5]]
    assert [column.name for column in columns()[:2]] == ["text_hub_module_embedding", "texts_hub_module_embedding"]
    assert columns()[0].dtype == tf.float32


@pytest.mark.parametrize("number", range(4))
def test_column_is_made_again_from_its_config(number: int) -> None:
    column = columns()[number]
    again = type(column).from_config(column.get_config())
    assert again == column
    assert hash(again) == hash(column)
    assert again.get_config() == column.get_config()


@pytest.mark.parametrize("number", range(4))
def test_column_can_be_copied_and_pickled(number: int) -> None:
    column = columns()[number]
    assert copy.deepcopy(column) == pickle.loads(pickle.dumps(column)) == column


def test_configs_have_the_names_that_files_have() -> None:
    text, _, image, second = columns()
    assert text.get_config() == {"key": "text", "module_spec_path": str(TEXT), "trainable": True}
    assert image.get_config() == {"key": "image", "module_spec_path": str(IMAGE), "image_size": (8, 8)}
    assert type(image).from_config({**image.get_config(), "image_size": [8, 8]}) == image
    assert list(second.get_config()) == ["key", "module_path", "output_key", "trainable"]


def test_column_of_an_object_has_no_config() -> None:
    column = hub.text_embedding_column("text", some_module())
    with pytest.raises(NoConfigError, match="'text_hub_module_embedding' cannot be written down"):
        column.get_config()


def test_column_takes_a_module_that_was_never_exported() -> None:
    with tf.Graph().as_default():
        found = run(input_layer({"text": tf.constant(["x"])}, hub.text_embedding_column("text", some_module())))
    assert found.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    "module",
    [IMAGE, some_module(tf.float32), some_module(shape=[None, 2]), some_module(size=None)],
    ids=["image", "numbers", "pairs", "open"],
)
def test_text_column_refuses_a_module_that_embeds_no_text(module: Any) -> None:
    with pytest.raises(
        SignatureError, match=r"does not embed a batch of texts: one input, string\[\?\], and an output"
    ):
        hub.text_embedding_column("text", module)
    with pytest.raises(SignatureError, match="does not embed a batch of texts"):
        hub.sparse_text_embedding_column("text", module, "mean", None)


@pytest.mark.parametrize("module", [TEXT, some_module(tf.float32, [None, 4, 4, 3])], ids=["text", "name of the input"])
def test_image_column_refuses_a_module_that_takes_no_images(module: Any) -> None:
    with pytest.raises(SignatureError, match="does not embed a batch of images: one input 'images'"):
        hub.image_embedding_column("image", module)


def test_sparse_text_column_refuses_an_unknown_combiner() -> None:
    with pytest.raises(ValueError, match="combiner is 'max'; choose one of mean, sqrtn, sum"):
        hub.sparse_text_embedding_column("texts", TEXT, "max", None)


@pytest.mark.parametrize("texts", [[["a", "b"]], [1.0]])
def test_text_column_refuses_what_is_not_one_text_in_each_example(texts: Any) -> None:
    with tf.Graph().as_default(), pytest.raises(SignatureError, match=r"the feature 'text' is .* not one text in each"):
        input_layer({"text": tf.constant(texts)}, hub.text_embedding_column("text", TEXT))


if KERAS_2:

    def test_dense_features_of_a_graph_apply_and_train_a_module() -> None:
        with tf.Graph().as_default():
            text, sparse, image, _ = columns()
            layer = tf.keras.layers.DenseFeatures([text, sparse, image])
            features = {
                "text": tf.constant(COLUMN),
                "texts": tf.sparse.from_dense([["two"], ["three"], [""]]),
                "image": tf.zeros([3, 8, 8, 3]),
            }
            found = layer(features)
            assert found.shape[1] == 13
            assert len(tf.compat.v1.trainable_variables()) == len(layer.trainable_weights) == 3
            step = tf.compat.v1.train.GradientDescentOptimizer(1.0).minimize(tf.reduce_sum(found))
            before = run(found)
            after = run(found, before=step)
        image_part, text_part, sparse_part = np.split(before, [5, 9], axis=1)
        np.testing.assert_allclose(text_part, embed(TEXTS), rtol=1e-6)
        np.testing.assert_allclose(sparse_part, embed(["two", "three", "one"]), rtol=1e-6)
        changed = np.any(before != after, axis=0)
        assert changed.tolist() == [False] * 5 + [True] * 4 + [False] * 4
        assert image_part.shape == (3, 5)

    def test_dense_features_called_twice_share_the_module() -> None:
        with tf.Graph().as_default():
            layer = tf.keras.layers.DenseFeatures([hub.text_embedding_column("text", TEXT)])
            for _ in range(2):
                layer({"text": tf.constant(COLUMN)})
            assert len(tf.compat.v1.global_variables()) == 3

    def test_dense_features_refuse_a_module_in_eager_mode_and_name_the_other_column() -> None:
        layer = tf.keras.layers.DenseFeatures([hub.text_embedding_column("text", TEXT)])
        with pytest.raises(UsageError, match=r"needs a graph\. Use hub\.text_embedding_column_v2"):
            layer({"text": tf.constant(COLUMN)})

    def test_dense_features_come_back_from_their_config() -> None:
        text = columns()[0]
        layer = tf.keras.layers.DenseFeatures([text])
        again = tf.keras.layers.DenseFeatures.from_config(
            layer.get_config(), custom_objects={type(text).__name__: type(text)}
        )
        assert again.get_config() == layer.get_config()

    def test_second_text_column_works_in_eager_mode() -> None:
        column = hub.text_embedding_column_v2("text", TEXT)
        found = tf.keras.layers.DenseFeatures([column])({"text": tf.constant(COLUMN)})
        np.testing.assert_allclose(found, embed(TEXTS), rtol=1e-6)
        assert column.variable_shape.as_list() == [4]

    def test_second_text_column_is_fine_tuned(tmp_path: Path) -> None:
        class Embedding(tf.Module):
            def __init__(self) -> None:
                self.table = tf.Variable([[1.0, 2.0]])

            @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
            def __call__(self, texts: Any) -> Any:
                return {"other": tf.zeros([1]), "wanted": tf.gather(self.table, tf.zeros_like(texts, tf.int32))}

        tf.saved_model.save(Embedding(), tmp_path)
        column = hub.text_embedding_column_v2("text", tmp_path, output_key="wanted", trainable=True)
        layer = tf.keras.layers.DenseFeatures([column])
        with tf.GradientTape() as tape:
            found = layer({"text": tf.constant([["a"], ["b"]])})
        assert found.numpy().tolist() == [[1.0, 2.0]] * 2
        (gradient,) = tape.gradient(found, layer.trainable_variables)
        assert tf.convert_to_tensor(gradient).numpy().tolist() == [[2.0, 2.0]]

else:

    def test_second_text_column_says_that_it_needs_keras_2() -> None:
        column = hub.text_embedding_column_v2("text", TEXT)
        with pytest.raises(ImportError, match="tf_keras is not installed"):
            column.create_state(None)
