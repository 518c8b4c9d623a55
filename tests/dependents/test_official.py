"""tf-models-official: its own test of an export to hubs, and an encoder that was exported, from a hub."""

from __future__ import annotations

from pathlib import Path

from tests.dependents.conftest import Run


def test_own_test_of_the_export_passes(run: Run) -> None:
    # export_tfhub_lib_test, its other one, imports tf.estimator, which TensorFlow 2.20 no longer has.
    assert "OK" in run("-m", "official.legacy.bert.export_tfhub_test").splitlines()[-1]


def test_encoder_is_exported_and_had_from_a_hub(run: Run, models: Path) -> None:
    run("official_export.py", models / "rehub" / "tiny-bert" / "1")
    found = run("official_encoder.py", "https://tfhub.dev/rehub/tiny-bert/1")
    assert found["shape"] == [2, 16]
    assert found["trainable"] > 0
    assert found["difference"] < 1e-5
