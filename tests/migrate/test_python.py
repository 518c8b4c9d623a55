"""What is found in a program, one thing at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.migrate import code

HUB = "import rehub as hub\n"
KERAS = "import tensorflow as tf\nimport rehub as hub\n"
GRAPH = "import tensorflow.compat.v1 as tf\nimport rehub as hub\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import tensorflow_hub as hub\nhub.load('m')\n", "import rehub as hub\nhub.load('m')\n"),
        ("import tensorflow_hub as hub\nprint(hub.__file__)\n", "import rehub as hub\nprint(hub.__file__)\n"),
        ("import os, tensorflow_hub as h\nh.load('m')\n", "import os, rehub as h\nh.load('m')\n"),
        ("import tensorflow_hub\ntensorflow_hub.load('m')\n", "import rehub\nrehub.load('m')\n"),
        (
            "import tensorflow_hub\ndef f():\n    import tensorflow_hub\n    return tensorflow_hub.load\n",
            "import rehub\ndef f():\n    import rehub\n    return rehub.load\n",
        ),
        (
            "try:\n    import tensorflow_hub\nexcept ImportError:\n    tensorflow_hub = None\ntensorflow_hub.load\n",
            "try:\n    import rehub as tensorflow_hub\nexcept ImportError:\n    tensorflow_hub = None\n"
            "tensorflow_hub.load\n",
        ),
        ("from tensorflow_hub import load\n", "from rehub import load\n"),
        ("from tensorflow_hub import (\n    load as f,  # one\n)\n", "from rehub import (\n    load as f,  # one\n)\n"),
        ("from tensorflow_hub.keras_layer import KerasLayer\n", "from rehub import KerasLayer\n"),
        (
            "import tensorflow_hub.keras_layer as k\nk.KerasLayer('m')\n",
            "import rehub as k\nk.KerasLayer('m')\n",
        ),
        (
            "import tensorflow_hub.module_v2\ntensorflow_hub.module_v2.load('m')\n",
            "import rehub\nrehub.load('m')\n",
        ),
        (
            "def f():\n    import tensorflow_hub\n    return tensorflow_hub.load\n",
            "def f():\n    import rehub\n    return rehub.load\n",
        ),
        (
            "import importlib\nhub = importlib.import_module('tensorflow_hub')\n",
            "import importlib\nhub = importlib.import_module('rehub')\n",
        ),
        ("pytest.importorskip('tensorflow_hub')\n", "pytest.importorskip('rehub')\n"),
        ("mock.patch('tensorflow_hub.load')\n", "mock.patch('rehub.load')\n"),
        (
            "import tensorflow_hub\nx: 'tensorflow_hub.KerasLayer' = None\n",
            "import rehub\nx: 'rehub.KerasLayer' = None\n",
        ),
        (
            KERAS + "tf.keras.optimizers.Adam(lr=0.1)\n",
            KERAS + "tf.keras.optimizers.Adam(learning_rate=0.1)\n",
        ),
        (
            KERAS + "from tensorflow.keras.optimizers import SGD\nSGD(lr = 1)\n",
            KERAS + "from tensorflow.keras.optimizers import SGD\nSGD(learning_rate = 1)\n",
        ),
        (
            KERAS + "tf.keras.layers.experimental.preprocessing.Rescaling(2)\n",
            KERAS + "tf.keras.layers.Rescaling(2)\n",
        ),
        (KERAS + "m.evaluate_generator(g, steps=2)\n", KERAS + "m.evaluate(g, steps=2)\n"),
        (HUB + "hub.load('https://h/a/1?tf-hub-format=compressed')\n", HUB + "hub.load('https://h/a/1')\n"),
        (HUB + "hub.load('https://h/a/1?tf-hub-format=compressed&x=1')\n", HUB + "hub.load('https://h/a/1?x=1')\n"),
    ],
)
def test_migrate_rewrites(before: str, after: str, tmp_path: Path) -> None:
    assert code.after(tmp_path, before) == after


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from tensorflow_hub import resolver\n", [(1, "M104", "by hand")]),
        ("import tensorflow_hub.resolver as r\nr.x\n", [(1, "M104", "by hand")]),
        ("import tensorflow_hub as h\nh.registry.resolver\n", [(1, "M104", "by hand"), (2, "M104", "by hand")]),
        ("import tensorflow_hub as h\nh.nonsense\n", [(1, "M104", "by hand"), (2, "M105", "by hand")]),
        ("from tensorflow_hub import load, nonsense\n", [(1, "M105", "by hand")]),
        ("from tensorflow_hub.tools.make_image_classifier import x\n", [(1, "M105", "by hand")]),
        ("import tensorflow_hub.tools.make_image_classifier as m\n", [(1, "M105", "by hand")]),
        ("importlib.import_module('tensorflow_hub.resolver')\n", [(1, "M102", "by hand")]),
        (HUB + "hub.__version__\n", [(2, "M106", "by hand")]),
        ("sys.modules['tensorflow_hub'] = None\n", [(1, "M107", "by hand")]),
        ("mock.patch('tensorflow_hub.resolver.x')\n", [(1, "M107", "by hand")]),
        ("from tensorflow_hub import *\n", [(1, "M108", "by hand")]),
        (HUB + "m = hub.Module('m')\n", [(2, "M204", "by hand")]),
        (GRAPH + "hub.LatestModuleExporter('m', f)\n", [(3, "M205", "by hand")]),
        (KERAS + "tf.keras\nhub.image_embedding_column('k', 'm')\n", [(4, "M206", "by hand")]),
        ("import tensorflow\n" + HUB + "tensorflow.Session()\n", [(3, "M210", "by hand")]),
        ("import tensorflow as tf; x = tf.Session()\n" + HUB, [(1, "M210", "by hand")]),
        (KERAS + "tf.contrib.layers.flatten(1)\n", [(3, "M211", "by hand")]),
        (HUB + "from tensorflow.contrib import slim\nhub.load\n", [(2, "M211", "by hand")]),
        (GRAPH + "tf.layers.dense(1)\n", [(3, "M212", "by hand")]),
        (GRAPH + "tf.estimator.Estimator(f)\n", [(3, "M213", "by hand")]),
        (KERAS + "tf.keras.optimizers.Adam(1, decay=2)\n", [(3, "M302", "by hand")]),
        (
            KERAS + "from tensorflow.keras.layers.experimental import preprocessing\npreprocessing.Resizing(2, 2)\n",
            [(4, "M303", "by hand")],
        ),
        (KERAS + "m.fit_generator(g, 5)\n", [(3, "M304", "by hand")]),
        (KERAS + "m.fit_generator(g, workers=5)\n", [(3, "M304", "by hand")]),
        (KERAS + "tf.keras.models.load_model('folder')\n", [(3, "M305", "by hand")]),
        (KERAS + "hub.KerasLayer\nm.save('folder')\n", [(4, "M305", "by hand")]),
        (KERAS + "path = 'folder'\nhub.KerasLayer\nmodel.save(path)\n", [(5, "M305", "by hand")]),
        (KERAS + "model.save(x, save_format='tf')\n", [(3, "M305", "by hand")]),
        (KERAS + "tf.keras.experimental.load_from_saved_model(x)\n", [(3, "M305", "by hand")]),
        (
            KERAS + "tf.keras.models.load_model('m.h5', custom_objects={'KerasLayer': hub.KerasLayer})\n",
            [(3, "M306", "by hand")],
        ),
        ("import tf_keras\n" + HUB + "tf_keras.Sequential([hub.KerasLayer('m')])\n", [(3, "M307", "by hand")]),
        (
            "import os\nos.environ['TF_USE_LEGACY_KERAS'] = '1'\nimport keras\n"
            + HUB
            + "keras.Sequential([hub.KerasLayer('m')])\n",
            [(5, "M307", "by hand")],
        ),
        (
            "import os\nimport tensorflow\n" + HUB + "os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')\nhub.load\n",
            [(4, "M308", "by hand")],
        ),
        (KERAS + "tf.keras.backend.set_session(s)\n", [(3, "M309", "by hand")]),
        (KERAS + "tf.keras.optimizers.legacy.Adam()\n", [(3, "M309", "by hand")]),
        (KERAS + "model.predict_classes(x)\n", [(3, "M309", "by hand")]),
        (
            HUB + "import tensorflow.contrib.slim as slim\nslim.a()\nslim.b()\n",
            [(2, "M211", "by hand")],
        ),
        (GRAPH + "tf.keras.layers.Dense(tf.Session())\n", [(3, "M310", "by hand")]),
        ("import os\nos.environ['TFHUB_CACHE_DIR'] = '/tmp/hub'\n", [(2, "M403", "by hand")]),
        ("import os\nos.environ['TFHUB_CACHE_DIR'] = tempfile.mkdtemp()\n", [(2, "M403", "by hand")]),
        ("import os\nos.path.join('tfhub_modules', 'x')\n", [(2, "M404", "by hand")]),
        ("def f(:\n    'tensorflow_hub'\n", [(1, "M901", "failed")]),
        ("x = 1\nprint 'tensorflow_hub'\n", [(2, "M901", "failed")]),
    ],
)
def test_migrate_leaves_to_people(text: str, expected: list[tuple[int, str, str]], tmp_path: Path) -> None:
    report = code.examine(tmp_path, text)

    assert code.found(report) == expected
    assert not report.is_changed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HUB + "hub.KerasLayer(hub.resolve('m'))\n", ["M110", "M110"]),
        (GRAPH + "hub.Module('m')\n", ["M201"]),
        (GRAPH + "hub.add_signature(inputs=tf.placeholder(1))\n", ["M201"]),
        ("H = 'https://tfhub.dev/google/nnlm-en-dim128/2'\n", ["M401"]),
        ("import os\nos.environ['TF_USE_LEGACY_KERAS'] = '1'\nimport tf_keras\n" + HUB + "hub.KerasLayer\n", ["M110"]),
    ],
)
def test_migrate_says_what_works(text: str, expected: list[str], tmp_path: Path) -> None:
    report = code.examine(tmp_path, text)

    assert [(it.code, it.kind) for it in report.findings] == [(name, "works") for name in expected]


@pytest.mark.parametrize(
    "text",
    [
        "import hub\nhub.Module('m')\n",
        "def f(hub):\n    return hub.Module('m')\n",
        "# tensorflow_hub\n",
        "'''Like tensorflow_hub.'''\n",
        "from . import tensorflow_hub\n",
        "x = 'the tensorflow_hub package'\n",
        "import tensorflow as tf\ntf.Session()\ntf.keras.optimizers.Adam(lr=1)\n",
        "import os\nos.environ['TFHUB_CACHE_DIR'] = '/data/hub'\n",
        "url = 'https://example.org/?tf-hub-format=compressed'\n# tfhub\n",
    ],
)
def test_migrate_finds_nothing_in_what_is_not_of_the_hub(text: str, tmp_path: Path) -> None:
    assert code.examine(tmp_path, text).findings == ()


@pytest.mark.parametrize(
    "text",
    [
        "path = 'a.h5'\nmodel.save(path)\n",
        "model.save(x)\n",
        "def f(path):\n    model.save(path)\n",
        "path = 'a'\npath = 'b.h5'\nmodel.save(path)\n",
        "import model\nmodel.save('folder')\n",
        "np.save('x', y)\n",
        "checkpoint.save('x')\n",
    ],
)
def test_migrate_takes_no_other_file_for_a_saved_model(text: str, tmp_path: Path) -> None:
    assert code.found(code.examine(tmp_path, KERAS + "hub.KerasLayer\n" + text)) == []


def test_migrate_tells_what_to_do_about_hooks(tmp_path: Path) -> None:
    (finding,) = code.examine(tmp_path, "from tensorflow_hub import registry\n").findings

    assert "rehub.install_as_tensorflow_hub()" in finding.fix
    assert "python -m rehub.alias" in finding.fix


def test_migrate_puts_the_graph_mode_behind_all_imports(tmp_path: Path) -> None:
    text = """\
        \"\"\"A program.\"\"\"
        import tensorflow as tf  # the framework

        import tensorflow_hub as hub
        from local import model  # ours

        tf.Session().run(hub.Module("m")(model))
        """

    assert code.after(tmp_path, text).splitlines() == [
        '"""A program."""',
        "import tensorflow.compat.v1 as tf  # the framework",
        "",
        "import rehub as hub",
        "from local import model  # ours",
        "",
        "tf.disable_v2_behavior()",
        "",
        'tf.Session().run(hub.Module("m")(model))',
    ]


def test_migrate_puts_the_graph_mode_behind_imports_that_may_fail(tmp_path: Path) -> None:
    text = (
        "import tensorflow as tf\ntry:\n    import a\nexcept ImportError:\n    a = None\nimport rehub\ntf.Session()\n"
    )

    assert code.after(tmp_path, text).endswith("import rehub\n\ntf.disable_v2_behavior()\ntf.Session()\n")


def test_migrate_enters_the_graph_mode_once(tmp_path: Path) -> None:
    text = "import tensorflow as tf\nimport tensorflow_hub as hub\ntf.disable_eager_execution()\nhub.Module('m')\n"

    assert code.after(tmp_path, text) == text.replace("tensorflow_hub", "rehub").replace(
        "tensorflow as", "tensorflow.compat.v1 as"
    )
