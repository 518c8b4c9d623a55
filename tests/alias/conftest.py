"""tensorflow_hub as a program has it that runs on rehub, inside the process of the tests."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub
from rehub import configuration
from rehub.resolvers import own_resolvers


def _forget() -> dict[str, Any]:
    names = [name for name in sys.modules if name.partition(".")[0] == "tensorflow_hub"]
    return {name: sys.modules.pop(name) for name in names}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    before = _forget()
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rehub.install_as_tensorflow_hub()
    import tensorflow_hub

    yield tensorflow_hub
    _forget()
    sys.modules.update(before)
    own_resolvers.ask_first(None)
    configuration.use_default_cache_dir(None)


@pytest.fixture(scope="session")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model: float32[?] -> twice as much, with one variable."""

    class Doubles(tf.train.Checkpoint):
        def __init__(self) -> None:
            super().__init__()
            self.factor = tf.Variable(2.0)
            self.variables = [self.factor]
            self.trainable_variables = [self.factor]

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, x: Any) -> Any:
            return x * self.factor

    path = tmp_path_factory.mktemp("doubling")
    tf.saved_model.save(Doubles(), str(path))
    return str(path)
