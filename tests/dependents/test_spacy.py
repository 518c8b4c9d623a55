"""spacy-universal-sentence-encoder: its loader and its pipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.dependents.conftest import Run, embedded


def test_texts_have_the_vectors_of_the_model(run: Run, models: Path) -> None:
    texts = ["a cat sits", "two dogs run"]
    medium, large, similarity = run("spacy_vectors.py", *texts)
    expected = embedded(models, "google/universal-sentence-encoder/4", texts)
    np.testing.assert_allclose(medium, expected, rtol=1e-5)
    np.testing.assert_allclose(large, embedded(models, "google/universal-sentence-encoder-large/5", texts), rtol=1e-5)
    cosine = expected[0] @ expected[1] / np.linalg.norm(expected[0]) / np.linalg.norm(expected[1])
    np.testing.assert_allclose(similarity, cosine, rtol=1e-4)
