from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import ConversionError

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_file_has_the_names_of_the_signature_and_gives_its_outputs(tmp_path: Path) -> None:
    done = hub.convert(DATA / "saved_models/keras2", tmp_path / "m.tflite", to="tflite", signature="serving_default")
    assert done.difference is not None
    assert done.difference <= 1e-6
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    runner = tf.lite.Interpreter(str(tmp_path / "m.tflite")).get_signature_runner("serving_default")
    model = tf.saved_model.load(str(DATA / "saved_models/keras2"))
    np.testing.assert_allclose(runner(input_1=x)["bn"], model.signatures["serving_default"](tf.constant(x))["bn"], 1e-5)


def test_module_of_tensorflow_1_becomes_a_file(tmp_path: Path) -> None:
    done = hub.convert(DATA / "tf1_hub/v1_layers", tmp_path / "m.tflite", to="tflite")
    assert done.difference is not None
    assert done.difference <= 1e-6
    assert (tmp_path / "m.tflite").read_bytes()[4:8] == b"TFL3"


class Unusual(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([2, 2])])
    def __call__(self, x: Any) -> Any:
        return tf.linalg.det(tf.math.bessel_i0(x))


def test_ops_that_the_format_lacks_are_named(tmp_path: Path) -> None:
    tf.saved_model.save(Unusual(), str(tmp_path / "model"))
    with pytest.raises(ConversionError, match="LiteRT does not have: BesselI0, MatrixDeterminant") as caught:
        hub.convert(tmp_path / "model", tmp_path / "m.tflite", to="tflite")
    assert caught.value.ops == ("BesselI0", "MatrixDeterminant")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_file_that_does_not_run_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"cannot be run: .*hashtable"):  # its words are in a file
        hub.convert(DATA / "saved_models/module", tmp_path / "m.tflite", to="tflite")
    assert list(tmp_path.iterdir()) == []


def test_inputs_that_only_tensorflow_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"inputs that only TensorFlow has: inputs: ragged string\[\?, \?\]"):
        hub.convert(DATA / "tf1_kinds/ends", tmp_path / "m.tflite", to="tflite", signature="ragged")


def test_outputs_that_only_tensorflow_has_are_refused(tmp_path: Path) -> None:
    class Sparse(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 3])])
        def __call__(self, x: Any) -> Any:
            return {"dense": 2.0 * x, "sparse": tf.sparse.from_dense(x)}

    tf.saved_model.save(Sparse(), str(tmp_path / "model"))
    with pytest.raises(ConversionError, match=r"outputs that only TensorFlow has: .*sparse: sparse float32\[\?, 3\]"):
        hub.convert(tmp_path / "model", tmp_path / "m.tflite", to="tflite")
