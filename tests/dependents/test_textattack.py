"""TextAttack: the Universal Sentence Encoder constraints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.dependents.conftest import Run, embedded


@pytest.fixture
def downloads(tmp_path: Path) -> None:
    """What TextAttack fetches when it is first imported, as far as it needs it for that."""
    words = tmp_path / "nltk_data" / "corpora" / "stopwords" / "english"
    words.parent.mkdir(parents=True)
    words.write_text("a\nthe\n")
    done = tmp_path / ".cache" / "textattack" / "post_install_check_3"
    done.parent.mkdir(parents=True)
    done.touch()


@pytest.mark.usefixtures("downloads")
def test_texts_are_encoded_and_compared(run: Run, models: Path) -> None:
    texts = ["a cat sits", "two dogs run"]
    encoded, after_pickle, multilingual, similarity = run("textattack_encoders.py", *texts)
    expected = embedded(models, "google/universal-sentence-encoder/3", texts)
    np.testing.assert_allclose(encoded, expected, rtol=1e-5)
    np.testing.assert_allclose(after_pickle, expected, rtol=1e-5)
    wanted = embedded(models, "google/universal-sentence-encoder-multilingual/3", texts)
    np.testing.assert_allclose(multilingual, wanted, rtol=1e-5)
    cat, dog = embedded(models, "google/universal-sentence-encoder/3", ["a cat sits", "a dog sits"])
    cosine = cat @ dog / np.linalg.norm(cat) / np.linalg.norm(dog)
    np.testing.assert_allclose(similarity, cosine, rtol=1e-4)
