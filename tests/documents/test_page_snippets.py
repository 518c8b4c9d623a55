"""The code that a model's page offers to copy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rehub.model.model_info import describe
from rehub.server.views_interface import read_interface
from rehub.server.views_snippets import snippets

ROOT = Path(__file__).parents[2]
KERAS = "use-tf-keras" if os.environ.get("TF_USE_LEGACY_KERAS") else "use-keras3"
IMAGES = "src/rehub/demo/hub/rehub/face-features/1"


@pytest.mark.parametrize(
    ("model", "kind", "shape"),
    [
        (IMAGES, "use-load", (2, 128)),
        (IMAGES, KERAS, (None, 2)),
        ("tests/data/tf1_hub/rich", "use-load", (2, 3)),
        ("tests/data/tf1_hub/rich", KERAS, (None, 2)),
        ("tests/data/tf1_hub/rich", "use-module", (2, 3)),
        ("tests/data/tf1_hub/text_vocab", "use-load", (2, 4)),
        ("tests/data/tf1_hub/text_vocab", "use-module", (None, 4)),
        ("tests/data/saved_models/graphs", "use-load", (2, 1)),
    ],
)
def test_snippet_runs(model: str, kind: str, shape: tuple[int | None, ...]) -> None:
    interface = read_interface(describe(ROOT / model).to_json())
    (code,) = [snippet.code for snippet in snippets(interface, str(ROOT / model), "x") if snippet.id == kind]
    found: dict[str, object] = {}

    exec(code, found)

    outputs = found["model"].outputs[0] if kind == KERAS else found["outputs"]  # type: ignore[attr-defined]
    if isinstance(outputs, dict):
        (outputs,) = [value for name, value in outputs.items() if name == "default" or len(outputs) == 1]
    assert tuple(outputs.shape) == shape
