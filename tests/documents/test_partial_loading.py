"""The examples of docs/partial_loading.md print what their comments say."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "partial_loading.md").read_text(encoding="utf-8")
SPECS = {size: tf.TensorSpec([None, size]) for size in (2, 8)}


class Linear(tf.Module):
    """float32[?, n] -> float32[?, m]."""

    def __init__(self, width: int, to: int) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal([width, to], seed=[width, to]))
        self.__call__.get_concrete_function(SPECS[width])

    @tf.function
    def __call__(self, vectors: Any) -> Any:
        return vectors @ self.kernel


class Autoencoder(tf.Module):
    """float32[?, 8] -> float32[?, 8], by way of two numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Linear(8, 2), Linear(2, 8)

    @tf.function(input_signature=[SPECS[8]])
    def __call__(self, vectors: Any) -> Any:
        return self.decoder(self.encoder(vectors))

    @tf.function(input_signature=[SPECS[8]])
    def noisy(self, vectors: Any) -> Any:
        return self(vectors + tf.random.normal(tf.shape(vectors)))


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with the model that the document names."""
    monkeypatch.chdir(tmp_path)
    model = Autoencoder()
    tf.saved_model.save(model, "autoencoder", signatures=model.__call__)


@pytest.mark.usefixtures("_folder")
def test_examples_print_what_their_comments_say() -> None:
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "partial_loading.md", "exec"), {})

    promised = re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 5
    assert printed.getvalue().splitlines() == promised


@pytest.mark.usefixtures("_folder")
def test_commands_write_models_that_load() -> None:
    commands = re.findall(r"^rehub (.*)$", TEXT, flags=re.MULTILINE)
    for command in commands:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        subprocess.run([sys.executable, "-m", "rehub", *command.split()], env=environment, check=True, timeout=600)

    assert len(commands) == 2
    assert not hasattr(tf.saved_model.load("slim"), "noisy")
    assert tf.saved_model.load("parts").encoder(tf.ones([4, 8])).shape == (4, 2)
