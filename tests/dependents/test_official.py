"""tf-models-official: its own tests of the exports to hubs, and an encoder that was exported, from a hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dependents.conftest import Run

EXPORTS = "official.nlp.tools.export_tfhub_lib_test"


@pytest.mark.parametrize(
    ("module", "tests"),
    [
        (EXPORTS, ["ExportModelTest", "ExportModelWithMLMTest"]),
        (EXPORTS, ["ExportPreprocessingTest"]),
        ("official.legacy.bert.export_tfhub_test", []),
    ],
)
def test_own_tests_of_the_exports_pass(module: str, tests: list[str], run: Run) -> None:
    assert "OK" in run("-m", module, *tests).splitlines()[-1]


def test_encoder_is_exported_and_had_from_a_hub(run: Run, models: Path) -> None:
    run("official_export.py", models / "rehub" / "tiny-bert" / "1")
    found = run("official_encoder.py", "https://tfhub.dev/rehub/tiny-bert/1")
    assert found["shape"] == [2, 16]
    assert found["trainable"] > 0
    assert found["difference"] < 1e-5
