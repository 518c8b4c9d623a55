"""The examples of docs/tf1_compat_mode.md print what their comments say."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import tensorflow as tf

from . import models

ROOT = Path(__file__).parents[2]
IS_KERAS_2 = not hasattr(tf.keras, "version")
HAS_ESTIMATOR = importlib.util.find_spec("tensorflow_estimator") is not None
GIVEN = """
text_model, image_model, tuned_model = {folders}
images = np.ones([2, 8, 8, 3], "float32")
"""


def _examples(*kinds: str) -> str:
    text = (ROOT / "docs" / "tf1_compat_mode.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python ?(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert {kind for kind, _ in blocks} == {"", "keras2", "estimator"}
    return "\n".join(block for kind, block in blocks if kind in kinds)


def test_examples_print_what_their_comments_say(tmp_path: Path) -> None:
    models.save_text_embedding(tmp_path / "text", tmp_path)
    models.save_image_features(tmp_path / "image")
    code = _examples("", *["keras2"] * IS_KERAS_2, *["estimator"] * HAS_ESTIMATOR)
    given = GIVEN.format(folders=[str(tmp_path / name) for name in ("text", "image", "tuned")])
    program = code.replace("tf.disable_v2_behavior()\n", f"tf.disable_v2_behavior()\n{given}", 1)

    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=600, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert done.stdout.splitlines()[-len(promised) :] == promised
    assert (tmp_path / "tuned" / "saved_model.pb").is_file()
