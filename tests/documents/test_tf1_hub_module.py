"""The samples of "TF1 Hub format", with ``tf.compat.v1`` where they say ``tf``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as eager_tf

import rehub as hub
from tests.tf1 import sessions
from tests.tf1.sessions import initialize

tf = eager_tf.compat.v1
X = np.linspace(-1.0, 1.0, 8, dtype=np.float32).reshape(2, 4)


@pytest.fixture
def session() -> Iterator[Any]:
    with sessions.session() as running:
        yield running


pytestmark = pytest.mark.filterwarnings("ignore:`tf.layers.dense` is deprecated:UserWarning")


def dense(inputs: Any, units: int, name: str, regularizer: Any = None) -> Any:
    """``tf.layers.dense``, or, beside Keras 3, which does not have it, the same by hand."""
    if not hasattr(eager_tf.keras, "version"):
        return tf.layers.dense(inputs, units, name=name, kernel_regularizer=regularizer)
    with tf.variable_scope(name):
        shape = [inputs.shape[-1], units]
        kernel = tf.get_variable("kernel", shape, regularizer=regularizer, initializer=tf.glorot_uniform_initializer())
        return tf.matmul(inputs, kernel) + tf.get_variable("bias", [units], initializer=tf.zeros_initializer())


def module_fn() -> None:
    inputs = tf.placeholder(dtype=tf.float32, shape=[None, 50])
    layer1 = dense(inputs, 200, "layer1", regularizer=lambda kernel: 0.01 * tf.reduce_sum(kernel**2))
    layer2 = dense(layer1, 100, "layer2")
    outputs = {"default": layer2, "hidden_activations": layer1}
    # Add default signature.
    hub.add_signature(inputs=inputs, outputs=outputs)


def test_module_is_instantiated_from_a_path_and_from_a_url_and_applied(hub_url: str, session: Any) -> None:
    m = hub.Module(f"{hub_url}/tf1/rich/1")
    local = hub.Module(hub.resolve(f"{hub_url}/tf1/rich/1"))
    y = m(X)
    initialize(session)

    np.testing.assert_array_equal(session.run(y), session.run(local(X)))


def test_module_is_cached_in_the_folder_that_a_variable_names(hub_url: str, cache_folder: Path, session: Any) -> None:
    hub.Module(f"{hub_url}/tf1/image/1")

    assert Path(hub.resolve(f"{hub_url}/tf1/image/1")).is_relative_to(cache_folder)


def test_signature_with_several_inputs_and_outputs_takes_and_gives_dicts(session: Any) -> None:
    def fruit_to_pet() -> None:
        apples, oranges = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.float32, [None])
        hub.add_signature(
            "fruit_to_pet", {"apples": apples, "oranges": oranges}, {"cats": apples + oranges, "dogs": apples - oranges}
        )

    m = hub.Module(hub.create_module_spec(fruit_to_pet))
    x1, x2 = tf.constant([3.0]), tf.constant([1.0])
    outputs = m({"apples": x1, "oranges": x2}, signature="fruit_to_pet", as_dict=True)
    y1 = outputs["cats"]
    y2 = outputs["dogs"]

    assert session.run([y1, y2]) == [[4.0], [2.0]]


def test_new_module_begins_with_its_initializers_and_is_exported(tmp_path: Path, session: Any) -> None:
    spec = hub.create_module_spec(module_fn)
    m = hub.Module(spec)
    y = m(np.ones([2, 50], np.float32), as_dict=True)
    initialize(session)
    values = session.run(y)
    m.export(str(tmp_path / "module"), session)

    assert values["default"].shape == (2, 100)
    assert values["hidden_activations"].shape == (2, 200)
    with tf.Graph().as_default(), tf.Session() as running:
        again = hub.Module(str(tmp_path / "module"))(np.ones([2, 50], np.float32))
        initialize(running)
        np.testing.assert_array_equal(running.run(again), values["default"])


def test_fine_tuning_trains_the_variables_and_regularizes_them(tmp_path: Path, session: Any) -> None:
    m = hub.Module(hub.create_module_spec(module_fn), trainable=True)
    error = tf.reduce_mean(m(np.ones([2, 50], np.float32)) ** 2)
    loss = error + tf.losses.get_regularization_loss()
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    initialize(session)
    before = session.run(loss)
    for _ in range(5):
        session.run(step)

    assert session.run(loss) < 0.9 * before
    assert len(tf.losses.get_regularization_losses()) == 1
    assert len(tf.trainable_variables()) == 4


@pytest.mark.parametrize("is_training", [True, False])
def test_graph_variant_for_training_is_chosen_by_its_tag(hub_url: str, session: Any, is_training: bool) -> None:
    m = hub.Module(f"{hub_url}/tf1/rich/1", trainable=True, tags=["train"] * is_training)
    outputs = m(X)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    initialize(session)
    session.run([outputs, *updates])

    assert bool(updates) == is_training


def test_call_of_the_migration_guide_gives_the_same_before_and_after(hub_url: str) -> None:
    handle = f"{hub_url}/tf1/rich/1"
    with tf.Graph().as_default(), tf.Session() as running:
        m = hub.Module(handle, tags={"train"})
        tensors_out_dict = m({"a": np.ones([1, 3]), "b": np.ones([1, 3])}, signature="two_in", as_dict=True)
        initialize(running)
        before = running.run(tensors_out_dict)
    m = hub.load(handle, tags={"train"})
    after = m.signatures["two_in"](a=eager_tf.ones([1, 3]), b=eager_tf.ones([1, 3]))

    assert set(before) == set(after) == {"sum", "default"}
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-6)


def test_samples_of_our_own_page_print_what_their_comments_say(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "tf1_hub_format.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE))
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert hub.load_module_spec(tmp_path / "tuned").get_signature_names() == ["default"]
