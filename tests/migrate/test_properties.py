"""Programs put together at random: what is written is Python, says the same, and needs no second run."""

from __future__ import annotations

import ast
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.migrate import code

IMPORTS = (
    "import tensorflow_hub as hub",
    "import tensorflow_hub",
    "from tensorflow_hub import load, KerasLayer as Layer",
    "from tensorflow_hub.module_v2 import resolve",
    "from tensorflow_hub import resolver",
    "import tensorflow_hub.keras_layer as inner",
    "try:\n    import tensorflow_hub as hub\nexcept ImportError:\n    hub = None",
    "import tensorflow as tf",
    "import tensorflow.compat.v1 as tf",
    "import tf_keras, keras",
)
STATEMENTS = (
    "m = hub.Module('h')",
    "m = hub.Module(spec='h', trainable=True, tags={'train'})",
    "n = tensorflow_hub.Module('h', name='ü')",
    "m(x)",
    "m(x, signature='s', as_dict=True)['d']",
    "m(dict(a=x), signature='s')",
    "n(inputs={'a': x})",
    "n(hub.Module('é')(x, as_dict=True)['d'])",
    "hub.resolver.x",
    "tensorflow_hub.keras_layer.KerasLayer('h?tf-hub-format=compressed')",
    "inner.KerasLayer('h')",
    "hub.text_embedding_column('k', 'h', True)",
    "hub.load('https://h/a?tf-hub-format=compressed')",
    "tf.Session().run(tf.placeholder(1))",
    "tf.keras.layers.experimental.preprocessing.Rescaling(tf.keras.optimizers.Adam(lr=1))",
    "y.fit_generator(y)",
    "z: 'tensorflow_hub.KerasLayer' = Layer",
    "importlib.import_module('tensorflow_hub')",
)
LAYOUTS = (
    "{}",
    "if x:\n    {}",
    "def f(x):\n    return (  # why\n        {}\n    )",
    "class A:\n    {}  # Größe",
    "{}; {}",
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    lines = draw(st.lists(st.sampled_from(IMPORTS), min_size=1, max_size=4))
    for statement in draw(st.lists(st.sampled_from(STATEMENTS), max_size=8)):
        layout = draw(st.sampled_from(LAYOUTS))
        if "return" in layout and not _is_expression(statement):
            layout = "{}"
        lines.append(layout.format(*[statement] * 2))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return newline.join("\n".join(lines).split("\n")) + draw(st.sampled_from(["", newline]))


def _is_expression(statement: str) -> bool:
    return isinstance(ast.parse(statement).body[0], ast.Expr)


@pytest.mark.parametrize("to_tf2", [False, True])
@given(text=programs())
@settings(max_examples=15, deadline=None)
def test_rewritten_program_is_python_and_needs_no_second_run(to_tf2: bool, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        once = code.after(Path(folder), text, to_tf2=to_tf2)
        ast.parse(once)
        assert code.after(Path(folder), once, to_tf2=to_tf2) == once


@given(text=programs())
@settings(max_examples=15, deadline=None)
def test_comments_outlive_a_migration(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        after = code.after(Path(folder), text, to_tf2=True)

    assert [after.count(comment) for comment in ("# why", "# Größe")] == [
        text.count(comment) for comment in ("# why", "# Größe")
    ]
