"""The examples of docs/backends.md run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[3] / "docs" / "backends.md"


def test_examples_of_the_document_run(statistics, words, x, y, tmp_path, monkeypatch):
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    monkeypatch.chdir(tmp_path)
    names = {"features_model": statistics, "text_model": words, "examples": x, "labels": y}
    exec("\n".join(blocks), names)
    np.testing.assert_allclose(names["again"].predict(x, verbose=0), names["predictions"], rtol=1e-5, atol=1e-6)
    assert names["vectors"].shape == (2, 2)
