"""tensorflow_hub 0.15, in the environment that has it, has the same feature columns and uses what rehub publishes."""

from __future__ import annotations

import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.publish.text_embeddings import Embedding, export_text_embeddings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pkg_resources
    import tensorflow_hub as peer

DATA = Path(__file__).parent.parent / "data/tf1_hub"
TEXT, IMAGE = str(DATA / "text_vocab"), str(DATA / "image")
COLUMNS = {
    "text": lambda library: library.text_embedding_column("text", TEXT, trainable=True),
    "mean": lambda library: library.sparse_text_embedding_column("texts", TEXT, "mean", "one", trainable=True),
    "sqrtn": lambda library: library.sparse_text_embedding_column("texts", TEXT, "sqrtn", ""),
    "sum": lambda library: library.sparse_text_embedding_column("texts", TEXT, "sum", "two"),
    "image": lambda library: library.image_embedding_column("image", IMAGE),
}


def run(fetches: Any) -> Any:
    with tf.compat.v1.Session() as session:
        session.run([tf.compat.v1.global_variables_initializer(), tf.compat.v1.tables_initializer()])
        return session.run(fetches)


def apply(column: Any) -> tuple[Any, Any, list[str], list[str]]:
    """Returns the features, and what is made for them."""
    with tf.Graph().as_default():
        features = {
            "text": tf.constant([["one"], ["two three"], [""]]),
            "texts": tf.sparse.from_dense([["one", "two", ""], ["", "", ""], ["x", "one", "three"]]),
            "image": tf.reshape(tf.linspace(0.0, 1.0, 3 * 8 * 8 * 3), [3, 8, 8, 3]),
        }
        found = tf.compat.v1.feature_column.input_layer(features, column)
        names = [
            [v.op.name for v in each()] for each in (tf.compat.v1.global_variables, tf.compat.v1.trainable_variables)
        ]
        return run(found), tf.feature_column.make_parse_example_spec([column]), names[0], names[1]


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_the_same_in_both(name: str) -> None:
    ours, theirs = (apply(COLUMNS[name](library)) for library in (hub, peer))
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)
    assert ours[1:] == theirs[1:]


def test_configs_are_the_same_in_both() -> None:
    for name in ("text", "image"):
        ours, theirs = (COLUMNS[name](library) for library in (hub, peer))
        assert ours.get_config() == theirs.get_config()
        assert type(ours).from_config(theirs.get_config()) == ours


def test_attached_size_of_images_is_read_by_the_peer(tmp_path: Path) -> None:
    def module_fn() -> None:
        images = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
        hub.add_signature(inputs={"images": images}, outputs=tf.reduce_mean(images, [1, 2]))
        info = hub.ImageModuleInfo()
        info.default_image_size.height, info.default_image_size.width = 299, 300
        hub.attach_image_module_info(info)

    hub.create_module_spec(module_fn).export(tmp_path / "module")
    spec = peer.load_module_spec(str(tmp_path / "module"))
    assert list(peer.get_expected_image_size(spec)) == [299, 300]
    assert peer.get_num_image_channels(spec) == 3


def test_message_of_the_peer_can_be_attached() -> None:
    def module_fn() -> None:
        images = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
        hub.add_signature(inputs={"images": images}, outputs=tf.reduce_mean(images, [1, 2]))
        info = peer.ImageModuleInfo()
        info.default_image_size.height, info.default_image_size.width = 3, 4
        hub.attach_image_module_info(info)

    assert hub.get_expected_image_size(hub.create_module_spec(module_fn)) == (3, 4)


def test_published_text_embeddings_are_used_and_trained_by_the_peer(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one 1 2\ntwo 3 4\n")
    export_text_embeddings(tmp_path / "words.txt", tmp_path / "out", Embedding("sum", preprocessing=["lower-case"]))
    with tf.Graph().as_default():
        module = peer.Module(str(tmp_path / "out/tf1-hub"), trainable=True)
        found = module(tf.constant(["One two", "", "other"]))
        (variable,) = tf.compat.v1.trainable_variables()
        values = run([found, tf.convert_to_tensor(tf.gradients(found, variable)[0])])
    assert values[0].tolist() == [[4.0, 6.0], [0.0, 0.0], [0.0, 0.0]]
    assert values[1].tolist() == [[1.0, 1.0]] * 3
    layer = peer.KerasLayer(str(tmp_path / "out/saved-model"), trainable=True)
    assert layer(tf.constant(["One two"])).numpy().tolist() == [[4.0, 6.0]]
    assert len(layer.trainable_variables) == 1


def test_exported_modules_of_an_estimator_are_read_by_the_peer(tmp_path: Path) -> None:
    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> None:
        hub.register_module_for_export(hub.Module(DATA / "half_plus_two"), "half")

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        model_fn(None, None, "train", None)
        session.run([variable.assign(7.0) for variable in tf.compat.v1.global_variables()])
        path = tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    exporter = hub.LatestModuleExporter("modules", lambda: types.SimpleNamespace(features={}))
    folder = exporter.export(types.SimpleNamespace(model_fn=model_fn, config=None), tmp_path / "export", path)
    with tf.Graph().as_default():
        assert run(peer.Module(f"{folder}/half")([1.0])).tolist() == [14.0]
