"""Which models become what, and what is said where they do not."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import ConversionError, FormatError, HubError, NotFoundError, PublishError, SignatureError
from tests.conformance.models import SAMPLES
from tests.tf1.modules import export

v1 = tf.compat.v1

DATA = Path(__file__).parents[1] / "data"
MODULES = DATA / "tf1_hub"
SAVED = DATA / "saved_models"


def test_module_becomes_a_model_that_can_be_fine_tuned(tmp_path: Path) -> None:
    done = hub.convert(MODULES / "v1_layers", tmp_path / "model")
    assert (done.path, done.to, done.not_compared) == (str(tmp_path / "model"), "reusable", "")
    assert done.difference is not None
    assert done.difference <= 1e-6
    layer = hub.KerasLayer(str(tmp_path / "model"), trainable=True)
    assert layer.trainable_weights


def test_attached_messages_are_kept(tmp_path: Path) -> None:
    hub.convert(MODULES / "image", tmp_path / "model")
    hub.convert(tmp_path / "model", tmp_path / "module", to="tf1-hub")
    spec = hub.load_module_spec(str(tmp_path / "module"))
    original = hub.load_module_spec(str(MODULES / "image"))
    read = spec.get_attached_message("image_module_info", hub.ImageModuleInfo, required=True)
    assert read == original.get_attached_message("image_module_info", hub.ImageModuleInfo)


@pytest.mark.parametrize("tags", ["serve", ["serve"]])
def test_saved_model_of_tensorflow_1_is_chosen_by_its_tags(tags: Any, tmp_path: Path) -> None:
    hub.convert(SAVED / "graphs", tmp_path / "model", tags=tags)
    original = tf.saved_model.load(str(SAVED / "graphs"), tags=["serve"])
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    assert sorted(loaded.signatures) == sorted(original.signatures)


def test_chosen_signature_becomes_the_call(tmp_path: Path) -> None:
    hub.convert(MODULES / "text_vocab", tmp_path / "model", signature="ids")
    model = hub.load(str(tmp_path / "model"))
    words = tf.constant(["red", "blue"])
    (expected,) = model.signatures["ids"](words).values()
    np.testing.assert_array_equal(model(words), expected)


def _write_module(folder: Path, module_fn: Any, variants: Any = None) -> Path:
    return export(hub, hub.create_module_spec(module_fn, variants), folder)


def test_variant_without_tags_is_the_one_that_is_converted_and_compared(tmp_path: Path) -> None:
    def module_fn(factor: float) -> None:
        x = v1.placeholder(tf.float32, [None])
        hub.add_signature(inputs=x, outputs=x * v1.get_variable("factor", initializer=2.0) * factor)

    variants = [({"large"}, {"factor": 10.0}), (set(), {"factor": 1.0})]
    done = hub.convert(_write_module(tmp_path / "module", module_fn, variants), tmp_path / "model")
    assert (done.difference, done.not_compared) == (0.0, "")
    assert hub.load(str(tmp_path / "model"))(tf.constant([3.0])).numpy().tolist() == [6.0]


def _composite_outputs() -> None:
    x = v1.placeholder(tf.float32, [None, 3])
    hub.add_signature(inputs=x, outputs={"default": tf.sparse.from_dense(x), "doubled": 2.0 * x})
    hub.add_signature("ragged", x, {"pieces": tf.RaggedTensor.from_tensor(x, padding=0.0)})


@pytest.mark.parametrize("signature", ["default", "ragged"])
def test_sparse_or_ragged_output_becomes_what_the_call_returns(signature: str, tmp_path: Path) -> None:
    module = _write_module(tmp_path / "module", _composite_outputs)
    done = hub.convert(module, tmp_path / "model", signature=signature)
    assert (done.difference, done.not_compared) == (0.0, "")
    output = hub.load(str(tmp_path / "model"))(tf.constant([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]]))
    found = tf.sparse.to_dense(output) if signature == "default" else output.to_tensor(shape=[2, 3])
    assert found.numpy().tolist() == [[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]]


def test_signature_with_sparse_and_ragged_inputs_becomes_the_call(tmp_path: Path) -> None:
    done = hub.convert(DATA / "tf1_kinds/ends", tmp_path / "model", signature="both")
    assert done.difference == 0.0
    assert "'both'" not in done.not_compared
    assert "the signature 'sparse' takes sparse or ragged tensors, and is not the one" in done.not_compared


def test_module_that_counts_its_calls_is_compared_from_the_same_count(tmp_path: Path) -> None:
    done = hub.convert(DATA / "tf1_kinds/counter", tmp_path / "model")
    assert done.difference is not None
    assert (done.difference <= 1e-6, done.not_compared) == (True, "")


def test_chosen_signature_becomes_the_default_of_a_module(tmp_path: Path) -> None:
    hub.convert(SAVED / "module", tmp_path / "module", to="tf1-hub", signature="both")
    spec = hub.load_module_spec(str(tmp_path / "module"))
    assert sorted(spec.get_signature_names()) == ["both", "default", "ragged", "serving_default"]
    assert sorted(spec.get_input_info_dict()) == ["left", "right"]


def test_models_are_compared_on_inputs_of_the_users(tmp_path: Path) -> None:
    example = tf.train.Example()
    example.features.feature["words"].bytes_list.value.append(b"red")
    unguessed = hub.convert(SAVED / "estimator", tmp_path / "one", signature="predict")
    assert unguessed.difference is None
    assert "ran with none of the inputs that were made for it" in unguessed.not_compared
    sample = {"examples": np.array([example.SerializeToString()])}
    given = hub.convert(SAVED / "estimator", tmp_path / "two", signature="predict", sample_inputs=sample)
    assert given.difference is not None
    assert given.difference <= 1e-6


def test_model_with_chance_in_it_is_not_compared(tmp_path: Path) -> None:
    class Random(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None])])
        def __call__(self, x: Any) -> Any:
            return x + tf.random.uniform(tf.shape(x))

    tf.saved_model.save(Random(), str(tmp_path / "model"))
    done = hub.convert(tmp_path / "model", tmp_path / "module", to="tf1-hub")
    reason = "the model gives other outputs each time"
    assert (done.difference, done.not_compared) == (None, f"{reason}; the signature 'serving_default': {reason}")


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        (MODULES / "image", {"to": "onyx"}, ConversionError, "no format 'onyx' to convert to. Choose one of reusable,"),
        (MODULES / "image", {"to": "tf1-hub"}, ConversionError, "is a module in the TF1 Hub format already"),
        (SAVED / "keras2", {}, ConversionError, "can be called already"),
        (SAVED / "keras3", {}, ConversionError, "without a call.*rehub.export"),
        (SAVED / "graphs", {}, SignatureError, r"\['serve'\], \['gpu', 'serve'\]"),
        (SAVED / "graphs", {"tags": ["train"]}, SignatureError, r"\['train'\].*\['serve'\]"),
        (SAVED / "keras2", {"to": "tf1-hub", "tags": ["train"]}, SignatureError, r"\['train'\].*\['serve'\]"),
        (MODULES / "image", {"signature": "no"}, SignatureError, "'no'.*image_feature_vector"),
        (SAVED / "keras2", {"to": "tf1-hub", "signature": "no"}, SignatureError, "'no'.*serving_default"),
        (DATA / "tf1_kinds/ends", {}, SignatureError, "3 signatures.*both, ragged, sparse"),
        (SAVED / "functions", {"to": "tf1-hub"}, ConversionError, "only with more than its inputs: rate"),
        (SAVED / "keras2", {"to": "tf1-hub", "sample_inputs": {"x": [1.0]}}, SignatureError, "input_1: float32"),
        (SAVED / "keras2", {"to": "tf1-hub", "sample_inputs": {"input_1": [1.0]}}, SignatureError, "is no float32"),
        (SAVED, {}, FormatError, "is not a model folder"),
        (SAVED / "none", {}, NotFoundError, "does not exist"),
    ],
)
def test_what_cannot_be_converted_is_told_and_leaves_nothing(
    source: Path, options: dict[str, Any], error: type[HubError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message) as caught:
        hub.convert(source, tmp_path / "out", **options)
    assert type(pickle.loads(pickle.dumps(caught.value))) is type(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["reusable", "tf1-hub", "tflite"])
def test_what_exists_is_not_replaced(to: Any, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(PublishError, match="out' exists"):
        hub.convert(MODULES / "image" if to == "reusable" else SAVED / "keras2", tmp_path / "out", to=to)
    assert (tmp_path / "out").read_text() == "mine"


def test_sample_inputs_that_the_model_refuses_are_told(tmp_path: Path) -> None:
    sample = {"examples": np.array([b"no example"])}
    with pytest.raises(ConversionError, match="cannot be run with the sample inputs"):
        hub.convert(SAVED / "estimator", tmp_path / "out", signature="predict", sample_inputs=sample)
    assert list(tmp_path.iterdir()) == []


def test_hyperparameters_that_are_tensors_are_named(tmp_path: Path) -> None:
    (sample,) = (sample for sample in SAMPLES if sample.name == "hyperparameters")
    sample.write(tmp_path / "model")
    with pytest.raises(ConversionError, match=r"scale.*Name the signature"):
        hub.convert(tmp_path / "model", tmp_path / "out", to="tf1-hub")
