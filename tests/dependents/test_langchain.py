"""langchain-community: TensorflowHubEmbeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.dependents.conftest import Run, embedded


def test_documents_and_queries_are_embedded(run: Run, models: Path) -> None:
    texts = ["a cat sits", "two\ndogs run"]
    expected = embedded(models, "google/universal-sentence-encoder-multilingual/3", ["a cat sits", "two dogs run"])
    np.testing.assert_allclose(run("langchain_embeddings.py", *texts), [*expected, expected[0]], rtol=1e-5)
