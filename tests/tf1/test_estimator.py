"""Modules in Estimators, where there are Estimators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

DATA = Path(__file__).parent.parent / "data/tf1_hub"
TEXT = str(DATA / "text_vocab")
TEXTS = ["one", "two", "three", "four"]

Features = dict[str, Any]


def texts_and_labels() -> tf.data.Dataset:
    features = {"text": tf.constant([[text] for text in TEXTS])}
    return tf.data.Dataset.from_tensors((features, tf.constant([0, 1, 1, 0]))).repeat()


def receive() -> Any:
    return tf.estimator.export.build_raw_serving_input_receiver_fn(
        {"text": tf.compat.v1.placeholder(tf.string, [None, 1])}
    )()


def classify(features: Features, labels: Any, mode: str, params: dict[str, Any]) -> Any:
    tags = {"train"} if mode == tf.estimator.ModeKeys.TRAIN and params.get("tags") else None
    module = hub.Module(TEXT, trainable=params["trainable"], tags=tags)
    hub.register_module_for_export(module, "embedding")
    embedded = module(tf.reshape(features["text"], [-1]))
    logits = tf.matmul(embedded, tf.compat.v1.get_variable("head", [4, 2]))
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, {"logits": logits, "embedded": embedded})
    loss = tf.compat.v1.losses.sparse_softmax_cross_entropy(labels, logits)
    step = tf.compat.v1.train.GradientDescentOptimizer(0.5).minimize(loss, tf.compat.v1.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=step)


def estimator(model_dir: Path, **params: Any) -> Any:
    config = tf.estimator.RunConfig(tf_random_seed=1, save_checkpoints_steps=2)
    return tf.estimator.Estimator(classify, str(model_dir), config, params)


def embeddings(model: Any) -> Any:
    """The variable of the module, in the latest checkpoint."""
    return model.get_variable_value("module/embeddings")


def published() -> Any:
    return tf.train.load_variable(f"{TEXT}/variables/variables", "embeddings")


@pytest.mark.parametrize("trainable", [False, True])
def test_estimator_trains_a_module_only_when_asked(tmp_path: Path, trainable: bool) -> None:
    model = estimator(tmp_path, trainable=trainable)
    model.train(texts_and_labels, steps=3)
    assert np.array_equal(embeddings(model), published()) == (not trainable)


def test_estimator_goes_on_from_its_checkpoint_and_not_from_the_published_values(tmp_path: Path) -> None:
    model = estimator(tmp_path, trainable=True)
    model.train(texts_and_labels, steps=3)
    tuned = embeddings(model)
    (first, *_) = model.predict(lambda: texts_and_labels().take(1))
    with hub.eval_function_for_module(TEXT) as embed:
        assert not np.allclose(first["embedded"], embed(["one"])[0])
    frozen = estimator(tmp_path, trainable=False)
    frozen.train(texts_and_labels, steps=1)
    np.testing.assert_array_equal(embeddings(frozen), tuned)


def test_train_and_evaluate_exports_the_tuned_module_and_keeps_the_latest(tmp_path: Path) -> None:
    model = estimator(tmp_path, trainable=True, tags=True)
    exporter = hub.LatestModuleExporter("modules", receive, exports_to_keep=2)
    tf.estimator.train_and_evaluate(
        model,
        tf.estimator.TrainSpec(texts_and_labels, max_steps=6),
        tf.estimator.EvalSpec(texts_and_labels, steps=1, exporters=[exporter], start_delay_secs=0, throttle_secs=0),
    )
    exports = sorted((tmp_path / "export/modules").iterdir())
    assert len(exports) == 2
    assert [path.name for path in exports[-1].iterdir()] == ["embedding"]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        module = hub.Module(str(exports[-1] / "embedding"), tags={"train"})
        session.run([tf.compat.v1.global_variables_initializer(), tf.compat.v1.tables_initializer()])
        parts = session.run(module.variable_map["embeddings"])
    np.testing.assert_array_equal(np.concatenate(parts), embeddings(model))
    assert not np.array_equal(embeddings(model), published())


def test_estimator_exports_beside_its_own_exporters(tmp_path: Path) -> None:
    model = estimator(tmp_path, trainable=True)
    exporters = [
        hub.LatestModuleExporter("modules", receive),
        tf.estimator.LatestExporter("model", receive),
    ]
    tf.estimator.train_and_evaluate(
        model,
        tf.estimator.TrainSpec(texts_and_labels, max_steps=2),
        tf.estimator.EvalSpec(texts_and_labels, steps=1, exporters=exporters, start_delay_secs=0, throttle_secs=0),
    )
    (module,) = (tmp_path / "export/modules").iterdir()
    (whole,) = (tmp_path / "export/model").iterdir()
    assert abs(int(module.name) - int(whole.name)) < 60


@pytest.mark.parametrize(
    "make",
    [
        lambda: hub.text_embedding_column("text", TEXT, trainable=True),
        lambda: hub.sparse_text_embedding_column("text", TEXT, "mean", "", trainable=True),
    ],
    ids=["dense", "sparse"],
)
def test_canned_classifier_trains_the_module_of_a_column(tmp_path: Path, make: Callable[[], Any]) -> None:
    column = make()
    config = tf.estimator.RunConfig(tf_random_seed=1)
    model = tf.estimator.DNNClassifier([8], [column], str(tmp_path), config=config)

    def examples() -> tf.data.Dataset:
        def record(text: str, label: int) -> bytes:
            value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
            number = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
            data: bytes = tf.train.Example(
                features=tf.train.Features(feature={"text": value, "label": number})
            ).SerializeToString()
            return data

        spec = {**tf.feature_column.make_parse_example_spec([column]), "label": tf.io.FixedLenFeature([], tf.int64)}

        def parse(data: Any) -> tuple[Features, Any]:
            features = tf.io.parse_example(data, spec)
            return features, features.pop("label")

        records = [record(text, number % 2) for number, text in enumerate(TEXTS)]
        return tf.data.Dataset.from_tensor_slices(records).batch(len(TEXTS)).map(parse).repeat()

    model.train(examples, steps=1)
    first = model.evaluate(examples, steps=1)["average_loss"]
    (name,) = (name for name in model.get_variable_names() if name.endswith("/embeddings"))
    model.train(examples, steps=20)
    assert model.evaluate(examples, steps=1)["average_loss"] < first
    assert not np.array_equal(model.get_variable_value(name), published())


def test_canned_classifier_takes_features_of_images(tmp_path: Path) -> None:
    column = hub.image_embedding_column("image", str(DATA / "image"))
    model = tf.estimator.DNNClassifier([4], [column], str(tmp_path))

    def images() -> tf.data.Dataset:
        features = {"image": tf.reshape(tf.linspace(0.0, 1.0, 4 * 8 * 8 * 3), [4, 8, 8, 3])}
        return tf.data.Dataset.from_tensors((features, tf.constant([0, 1, 1, 0]))).repeat()

    model.train(images, steps=2)
    assert model.evaluate(images, steps=1)["global_step"] == 2
