"""Apache Beam: its model handlers for TensorFlow with a model on a hub, and its embeddings with one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.dependents.conftest import Run, embedded

KERAS_2 = {"TF_USE_LEGACY_KERAS": "1"}  # the handler reads SavedModels with tf.keras.models.load_model


def test_pipelines_use_models_of_the_hub(run: Run, models: Path) -> None:
    run("beam_model.py", models / "rehub" / "sum" / "1", **KERAS_2)
    texts, text_model = ["a cat sits", "two dogs run"], "google/nnlm-en-dim128/2"

    urls = ["https://tfhub.dev/rehub/sum/1", f"https://tfhub.dev/{text_model}"]
    found = run("beam_pipeline.py", *urls, *texts, **KERAS_2)

    assert found["tensor"] == found["numpy"] == [3.0, 7.0]
    expected = sorted(embedded(models, text_model, texts).tolist())
    np.testing.assert_allclose(found["texts"], expected, rtol=1e-5)
