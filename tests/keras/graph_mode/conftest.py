"""Each test runs in a ``tf.Graph`` of its own; models are loaded and called there, and a session runs them.

These tests run twice: in a process of eager mode, and, started by ``tests/keras/test_compat_mode.py``, in one of
TensorFlow 1's behaviour, which cannot write the models.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from . import models

v1 = tf.compat.v1
DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the models of `models.save_all`."""
    if "GRAPH_MODE_MODELS" in os.environ:
        return Path(os.environ["GRAPH_MODE_MODELS"])
    folder = tmp_path_factory.mktemp("models")
    models.save_all(folder, tmp_path_factory.mktemp("scratch"))
    return folder


@pytest.fixture(autouse=True)
def graph(folder: Path) -> Iterator[tf.Graph]:
    with tf.Graph().as_default() as graph:
        yield graph
    if not hasattr(tf.keras, "version"):
        v1.keras.backend.set_session(None)


@pytest.fixture
def session(graph: tf.Graph) -> Iterator[tf.compat.v1.Session]:
    with v1.Session(graph=graph) as session:
        yield session


def initialize(session: tf.compat.v1.Session) -> None:
    session.run([v1.global_variables_initializer(), v1.tables_initializer()])
