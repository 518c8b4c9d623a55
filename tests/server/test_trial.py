"""Which models can be tried, and how."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rehub.server.description import Description, Descriptions
from rehub.server.library import Library
from rehub.server.trial import SIZE_LIMIT_BYTES, Trial, trial_of
from rehub.storage.folder import FolderStore
from tests.server.published import card_text, put_plain

TEXTS, IMAGES = "saved_models/module", "tf1_hub/image"


@pytest.fixture
def describe(tmp_path: Path) -> Any:
    def describe(model: str, asset: str = "", **card: str) -> Description:
        folder = put_plain(tmp_path, "acme/net/1", model, card_text(**card) if card else "")
        if asset:
            (folder / "assets").mkdir(exist_ok=True)
            (folder / "assets" / asset).write_text("a\nb\nc\nd\n")
        found = Descriptions(Library(FolderStore(tmp_path))).get("acme/net", 1)
        assert isinstance(found, Description)
        return found

    return describe


def tried(described: Description) -> Trial:
    found = trial_of(described)
    assert found is not None
    return found


def test_trial_of_texts_calls_the_model_itself(describe: Any) -> None:
    assert tried(describe(TEXTS)) == Trial("text-embedding", "", "", "string", "", (), (0, 0), "", "")


def test_trial_of_texts_calls_the_signature_of_a_module(describe: Any) -> None:
    found = tried(describe("tf1_hub/text_vocab"))

    assert (found.signature, found.input, found.output) == ("default", "default", "default")


@pytest.mark.parametrize("task", ["image-classification", "image-feature-vector"])
def test_trial_of_images_is_for_the_task_of_the_card(describe: Any, task: str) -> None:
    found = tried(describe(IMAGES, task=task))

    assert (found.task, found.signature) == (task, task.replace("-", "_"))
    assert (found.input, found.dtype, found.image_size) == ("images", "float32", (8, 8))


@pytest.mark.parametrize(("labels", "found"), [("Labels.txt", "assets/Labels.txt"), ("words.txt", "")])
def test_trial_of_classes_names_them_by_a_file_that_is_called_so(describe: Any, labels: str, found: str) -> None:
    assert tried(describe(IMAGES, labels)).labels == found


def test_trial_of_classes_names_them_by_the_file_that_the_card_names(describe: Any) -> None:
    found = describe(IMAGES, "words.txt", task="image-classification", labels="assets/words.txt")

    assert tried(found).labels == "assets/words.txt"


@pytest.mark.parametrize(
    ("model", "card"),
    [
        (TEXTS, {"task": "text-classification"}),
        (IMAGES, {"task": "image-segmentation"}),
        ("saved_models/keras2", {}),
        ("saved_models/keras2", {"task": "text-embedding"}),
        ("saved_models/functions", {"task": "text-embedding"}),
        ("saved_models/estimator", {}),
    ],
)
def test_trial_of_other_models_is_none(describe: Any, model: str, card: dict[str, str]) -> None:
    assert trial_of(describe(model, **card)) is None


def test_trial_of_what_cannot_be_read_is_none(describe: Any) -> None:
    assert trial_of(dataclasses.replace(describe(TEXTS), interface=None)) is None


def test_trial_is_refused_when_the_model_is_too_large_or_not_whole(describe: Any) -> None:
    described = describe(TEXTS)
    large = dataclasses.replace(described.files[0], size_bytes=SIZE_LIMIT_BYTES)
    lacking = dataclasses.replace(described.interface, missing_files=("variables/variables.index",))

    assert tried(dataclasses.replace(described, files=(*described.files, large))).refusal == (
        "It is larger than 2.1 GB, which is the most that this hub runs."
    )
    assert tried(dataclasses.replace(described, interface=lacking)).refusal == "Files of it are missing."
