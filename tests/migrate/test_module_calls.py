"""hub.Module in programs of TensorFlow 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.migrate import code

START = "import tensorflow as tf\nimport rehub as hub\nlayers = tf.keras.layers\n"


def rewritten(folder: Path, text: str) -> str:
    after = code.after(folder, START + text)
    assert after.startswith(START)
    return after[len(START) :]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("m = hub.Module(h)\nm(x)\n", "m = hub.KerasLayer(h)\nm(x)\n"),
        ("y = hub.Module(h)(x)\n", "y = hub.KerasLayer(h)(x)\n"),
        ("y = hub.Module(spec = h)(inputs=x)\n", "y = hub.KerasLayer(handle = h)(x)\n"),
        ("y = hub.Module(h, trainable=True)(x)\n", "y = hub.KerasLayer(h, trainable=True)(x)\n"),
        ("y = hub.Module(h, True, 'n', {'train'})(x)\n", "y = hub.KerasLayer(h, True, name='n')(x)\n"),
        ("y = hub.Module(h, tags=['a', 'b'])(x)\n", "y = hub.KerasLayer(h, tags=['a', 'b'])(x)\n"),
        (
            "y = hub.Module(h, False, 'n', {'train'})(x)\n",
            "y = hub.KerasLayer(h, False, name='n', tags={'train'})(x)\n",
        ),
        ("y = hub.Module(h, tags=None)(x)\n", "y = hub.KerasLayer(h)(x)\n"),
        ("y = hub.Module(h)(x, signature='s')\n", 'y = hub.KerasLayer(h, signature="s")(x)\n'),
        (
            "y = hub.Module(h)(x, as_dict=True, signature='s')['a']\n",
            "y = hub.KerasLayer(h, signature=\"s\", signature_outputs_as_dict=True)(x)['a']\n",
        ),
        ("y = hub.Module(h)(signature='s', inputs=x)\n", 'y = hub.KerasLayer(h, signature="s")(x)\n'),
        ("y = hub.Module(h)(x, as_dict=False)\n", "y = hub.KerasLayer(h)(x)\n"),
        (
            "m = hub.Module(h)\nm(x)\nm(x, signature='s')\n",
            'm = hub.load(h)\nm.signatures["default"](x)["default"]\nm.signatures["s"](x)["default"]\n',
        ),
        (
            "m = hub.Module(h, tags={'t'}, name='n')\nm(x, as_dict=True)\nm({'a': x})\n",
            "m = hub.load(h, tags={'t'})\nm.signatures[\"default\"](x)\n"
            'm.signatures["default"](**{\'a\': x})["default"]\n',
        ),
        (
            "class A:\n    def __init__(self):\n        self.m = hub.Module(h)\n    def f(self, x):\n"
            "        return self.m(x)\n",
            "class A:\n    def __init__(self):\n        self.m = hub.KerasLayer(h)\n    def f(self, x):\n"
            "        return self.m(x)\n",
        ),
        (
            "m = hub.Module(h)\nm(x)\nm({'a': m(dict(b=x, c=z), as_dict=True)})\nm(inputs=dict(d))\n",
            'm = hub.load(h)\nm.signatures["default"](x)["default"]\n'
            'm.signatures["default"](**{\'a\': m.signatures["default"](b=x, c=z)})["default"]\n'
            'm.signatures["default"](**dict(d))["default"]\n',
        ),
        (
            "y = hub.Module(spec=h, tags={'train'}, trainable=True)(x, as_dict=True)\n",
            "y = hub.KerasLayer(handle=h, trainable=True, signature_outputs_as_dict=True)(x)\n",
        ),
        (
            "y = hub.Module(h, True, tags={'train'})(x, as_dict=True)\n",
            "y = hub.KerasLayer(h, True, signature_outputs_as_dict=True)(x)\n",
        ),
        (
            "y = hub.Module(  # a\n    h,  # b\n    trainable=True,\n)(x)\n",
            "y = hub.KerasLayer(  # a\n    h,  # b\n    trainable=True,\n)(x)\n",
        ),
        (
            "c = hub.text_embedding_column('k', h, True)\n",
            "c = hub.text_embedding_column_v2('k', h, trainable=True)\n",
        ),
        (
            "c = hub.text_embedding_column(key='k', module_spec=h)\n",
            "c = hub.text_embedding_column_v2(key='k', module_path=h)\n",
        ),
    ],
)
def test_migrate_rewrites_module(before: str, after: str, tmp_path: Path) -> None:
    assert rewritten(tmp_path, before) == after


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("m = hub.Module(h)\nf(m)\n", "line 5 passes it on"),
        ("m = hub.Module(h)\nm.export(p, s)\n", "line 5 uses its .export (instead: hub.export"),
        ("m = hub.Module(h)\nm = hub.Module(k)\nm(x)\n", "m is assigned more than once"),
        ("m = hub.Module(h)\n", "it is not called here"),
        ("class A:\n    m = hub.Module(h)\n    y = m(x)\n", "m belongs to a class"),
        ("f(hub.Module(h))\n", "it is not assigned to a name"),
        ("hub.Module(h)()\n", "line 4 calls it with other arguments"),
        ("hub.Module(h)(x, signature=s)\n", "line 4 computes the name of the signature"),
        ("hub.Module(h)(x, as_dict=d)\n", "line 4 computes as_dict"),
        ("hub.Module(*a)(x)\n", "its arguments are not written out"),
        ("hub.Module(h, trainable=True, tags=t)(x)\n", "its tags are computed"),
        ("hub.Module(h, tags=['train'] * t)(x)\n", "its tags are computed"),
        (
            "m = hub.Module(h, trainable=True)\nm(x)\nm(x, signature='s')\n",
            "it is trainable and called in several ways",
        ),
        ("hub.Module(h)(x,  # the input\n  signature='s')\n", "a comment stands between arguments"),
        ("from rehub import Module\nModule(h)(x)\n", "it is imported by its name"),
    ],
)
def test_migrate_leaves_module_to_people(text: str, reason: str, tmp_path: Path) -> None:
    report = code.examine(tmp_path, START + text)

    assert not report.is_changed
    assert reason in next(it.what for it in report.findings if it.code == "M203")


def test_migrate_rewrites_module_of_graph_when_asked(tmp_path: Path) -> None:
    text = "import tensorflow.compat.v1 as tf\nimport rehub as hub\ny = hub.Module(h)(tf.placeholder(tf.string))\n"

    assert not code.examine(tmp_path, text).is_changed
    assert code.after(tmp_path, text, to_tf2=True) == text.replace("Module", "KerasLayer")


def test_migrate_tells_what_stays_of_the_graph_when_asked_for_tf2(tmp_path: Path) -> None:
    text = "import tensorflow as tf\nimport rehub as hub\ntf.Session().run(hub.Module(h)(x))\n"

    assert code.found(code.examine(tmp_path, text, to_tf2=True)) == [(3, "M202", "rewritten"), (3, "M210", "by hand")]
