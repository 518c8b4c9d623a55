"""The published model is the network it says it is, and offers what a Reusable SavedModel offers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rehub.demo.photographs import load_photographs
from rehub.demo.run import HUB_FOLDER, MODEL

SCRIPT = Path(__file__).parents[2] / "scripts" / "export_face_features.py"


@pytest.fixture
def model() -> Any:
    return tf.saved_model.load(str(HUB_FOLDER / MODEL))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("export_face_features", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def network(script: ModuleType) -> Any:
    """The original, up to its last pooled features."""
    whole = script.load_network()
    pooled = tf.keras.layers.GlobalAveragePooling2D()(whole.get_layer("add_4").output)
    return tf.keras.Model(whole.inputs, [pooled])


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return load_photographs().images[::10]


def _as_original_input(images: np.ndarray) -> np.ndarray:
    return tf.image.rgb_to_grayscale(images).numpy() * 2 - 1


def _first(output: Any) -> np.ndarray:
    return np.asarray(output[0] if isinstance(output, list) else output)


def test_call_gives_the_features_of_the_original(model: Any, network: Any, images: np.ndarray) -> None:
    expected = _first(network([_as_original_input(images)], training=False))

    np.testing.assert_allclose(model(images), expected, atol=1e-5)


def test_call_gives_the_features_of_the_original_when_training(model: Any, network: Any, images: np.ndarray) -> None:
    copy = tf.keras.models.clone_model(network)
    copy.set_weights(network.get_weights())

    expected = _first(copy([_as_original_input(images)], training=True))

    np.testing.assert_allclose(model(images, training=True), expected, atol=1e-4)
    expected_after = _first(copy([_as_original_input(images)], training=False))
    np.testing.assert_allclose(model(images), expected_after, atol=1e-4)


def test_load_gives_variables_and_losses(model: Any) -> None:
    assert len(model.variables) == 78
    assert len(model.trainable_variables) == 50
    assert [float(loss()) for loss in model.regularization_losses] == pytest.approx([0.003416, 0.004523], abs=1e-5)


def test_signature_gives_what_the_call_gives(model: Any, images: np.ndarray) -> None:
    served = model.signatures["serving_default"](images=tf.constant(images))["default"]

    np.testing.assert_allclose(served, model(images), atol=1e-6)


def test_graph_has_no_strided_pointwise_convolution(model: Any) -> None:
    strides = [
        list(node.attr["strides"].list.i)
        for function in model.__call__.concrete_functions
        for node in function.graph.as_graph_def().node
        if node.op == "Conv2D"
    ]

    assert strides
    assert all(stride == [1, 1, 1, 1] for stride in strides)


def test_export_reproduces_the_published_model(
    script: ModuleType, model: Any, images: np.ndarray, tmp_path: Path
) -> None:
    script.export(script.load_network(), tmp_path / "1")

    published = HUB_FOLDER / MODEL
    assert _files(tmp_path / "1") == _files(published)
    for name in ("assets.extra/LICENSE", "card.md", "variables/variables.data-00000-of-00001"):
        assert (tmp_path / "1" / name).read_bytes() == (published / name).read_bytes()
    again = tf.saved_model.load(str(tmp_path / "1"))
    np.testing.assert_allclose(again(images), model(images), atol=1e-6)


def _files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
