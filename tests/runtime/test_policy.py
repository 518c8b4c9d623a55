"""Models that reach out of themselves when they run."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import PolicyError


class Writer(tf.Module):
    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def __call__(self, text):
        tf.io.write_file(self.place, text)
        return text


@pytest.fixture
def writer(tmp_path: Path) -> str:
    tf.saved_model.save(Writer(str(tmp_path / "secret")), str(tmp_path / "writer"))
    return str(tmp_path / "writer")


def test_load_warns_about_a_model_that_writes_files(writer: str) -> None:
    for load in (hub.load, hub.KerasLayer):
        with pytest.warns(UserWarning, match=r"WriteFile \(files\) in .*__call__") as caught:
            load(writer)

        assert [warning.filename for warning in caught] == [__file__]


def test_load_refuses_it_by_setting(writer: str) -> None:
    with hub.settings(op_policy="refuse"):
        with pytest.raises(PolicyError, match="WriteFile"):
            hub.load(writer)
        with pytest.raises(PolicyError, match="WriteFile"):
            hub.KerasLayer(writer)


def test_load_allows_it_by_setting(writer: str) -> None:
    with hub.settings(op_policy="allow"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hub.load(writer)(tf.constant("text")).numpy() == b"text"


def test_load_refuses_it_in_a_remote_folder_too() -> None:
    tf.saved_model.save(Writer("ram://secret"), "ram://models/writer")
    with hub.settings(op_policy="refuse"), pytest.raises(PolicyError, match="WriteFile"):
        hub.load("ram://models/writer")


def test_load_refuses_no_model_that_reads_only_its_own_files(
    lookup: Path, tf1_hub: Path, two_graphs: Path, half_plus_two: Path
) -> None:
    with hub.settings(op_policy="refuse"):
        for path in (lookup, tf1_hub, half_plus_two):
            hub.load(path)
        hub.load(two_graphs, tags=["serve"])
