"""tensorflow_hub 0.15, in the environment that has it, uses modules that were made of SavedModels as rehub does."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import rehub as hub
from tests.tf1 import applications
from tests.tf1.measurement import Measurement, assert_same, measure

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pkg_resources
    import tensorflow_hub as peer

DATA = Path(__file__).parents[1] / "data/saved_models"


@pytest.mark.parametrize("tags", [frozenset(), frozenset({"train"})], ids=["inference", "training"])
@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("keras2", {"input_1": np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)}),
        ("module", {"words": np.array([b"red", b"blue", b"?"])}),
    ],
)
def test_module_does_the_same_in_the_peer(
    name: str, inputs: dict[str, np.ndarray], tags: frozenset[str], tmp_path: Path
) -> None:
    hub.convert(DATA / name, tmp_path / "module", to="tf1-hub")
    if tags not in hub.load_module_spec(str(tmp_path / "module")).get_tags():
        tags = frozenset()

    def apply(library: object) -> Measurement:
        return measure(lambda: applications.of_module(library, tmp_path / "module", inputs, "default", tags))

    assert_same(apply(hub), apply(peer), 1e-6)
