"""tensorflowjs: its converter of models on hubs, in both formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub
from tests.dependents.conftest import Run

KERNEL = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)


def _write_saved_model(folder: Path) -> None:
    class Multiplies(tf.Module):
        def __init__(self) -> None:
            self.kernel = tf.Variable(KERNEL)

        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
        def __call__(self, x: Any) -> Any:
            return {"y": tf.matmul(x, self.kernel)}

    module = Multiplies()
    tf.saved_model.save(module, str(folder), signatures=module.__call__)


def _write_module(folder: Path) -> None:
    v1 = tf.compat.v1

    def build() -> None:
        x = v1.placeholder(tf.float32, [None, 3])
        kernel = v1.get_variable("kernel", initializer=KERNEL, use_resource=False)
        rehub.add_signature(inputs=x, outputs=tf.matmul(x, kernel))

    spec = rehub.create_module_spec(build)
    with tf.Graph().as_default(), v1.Session() as session:
        module = rehub.Module(spec)
        session.run(v1.global_variables_initializer())
        module.export(str(folder), session)


@pytest.mark.parametrize(
    ("write", "signature"),
    [(_write_saved_model, "serving_default"), (_write_module, "default")],
    ids=["TF2 SavedModel", "TF1 Hub format"],
)
def test_model_on_a_hub_is_converted(write: Any, signature: str, run: Run, models: Path, tmp_path: Path) -> None:
    name = f"rehub/product-{signature.replace('_', '-')}/1"
    write(models / name)

    url, out = f"https://tfhub.dev/{name}", tmp_path / "out"
    options = ("--input_format=tf_hub", f"--signature_name={signature}")
    run("-m", "tensorflowjs.converters.converter", *options, url, out)

    model = json.loads((out / "model.json").read_text())
    weights = [weight for group in model["weightsManifest"] for weight in group["weights"]]
    files = [path for group in model["weightsManifest"] for path in group["paths"]]
    assert [weight["shape"] for weight in weights] == [[3, 2]]
    np.testing.assert_array_equal(np.frombuffer((out / files[0]).read_bytes(), np.float32).reshape(3, 2), KERNEL)
    assert any(node["op"] == "MatMul" for node in model["modelTopology"]["node"])
