"""What changed from one version to the next."""

from __future__ import annotations

import shutil
from pathlib import Path

from rehub.server.changes import changes
from rehub.server.description import Description, Descriptions
from rehub.server.library import Library
from rehub.storage.folder import FolderStore
from tests.server.published import DATA, card_text, put_plain


def differences(root: Path) -> dict[str, tuple[str, ...]]:
    descriptions = Descriptions(Library(FolderStore(root)))
    old, new = (descriptions.get("acme/net", number) for number in (1, 2))
    assert isinstance(old, Description)
    assert isinstance(new, Description)
    return {change.what: change.texts for change in changes(old, new).entries}


def test_changes_are_none_between_equal_folders(tmp_path: Path) -> None:
    put_plain(tmp_path, "acme/net/1", "saved_models/module")
    put_plain(tmp_path, "acme/net/2", "saved_models/module")

    assert differences(tmp_path) == {}


def test_changes_name_signatures_and_variables(tmp_path: Path) -> None:
    put_plain(tmp_path, "acme/net/1", "tf1_hub/v1_layers")
    put_plain(tmp_path, "acme/net/2", "tf1_hub/rich")

    found = differences(tmp_path)

    assert "added: from_hidden, multi, no_in, passthrough, two_in" in found["Signatures"]
    assert any(text.startswith("added: ") and "hidden/kernel" in text for text in found["Variables"])
    assert any(text.startswith("removed: ") for text in found["Variables"])
    assert "Format" not in found


def test_changes_name_variables_of_another_size(tmp_path: Path) -> None:
    put_plain(tmp_path, "acme/net/1", "tf1_hub/half_plus_two")
    put_plain(tmp_path, "acme/net/2", "models/half_plus_two")

    found = differences(tmp_path)

    assert found["Format"] == ("TF1 Hub format became SavedModel (TensorFlow 2)",)
    assert any("__call__" in text for text in found["Signatures"])


def test_changes_count_the_blocks_that_need_not_be_fetched(tmp_path: Path) -> None:
    for number, last in ((1, b"a"), (2, b"b")):
        folder = put_plain(tmp_path, f"acme/net/{number}", "saved_models/no_variables")
        (folder / "assets.extra").mkdir()
        (folder / "assets.extra/data").write_bytes(bytes(9 << 20) + last)

    found = differences(tmp_path)

    files = sum(path.is_file() for path in (DATA / "saved_models/no_variables").rglob("*"))
    assert found["Files"] == ("changed: assets.extra/data",)
    assert found["Blocks"][0].startswith(f"{files + 2} of {files + 3} blocks are equal")


def test_changes_tell_of_size_and_card(tmp_path: Path) -> None:
    put_plain(tmp_path, "acme/net/1", "saved_models/module", card_text("One.", title="Net"))
    shutil.copytree(tmp_path / "acme/net/1", tmp_path / "acme/net/2")
    (tmp_path / "acme/net/2/card.md").write_text(card_text("Another one.", title="Net"), encoding="utf-8")

    found = differences(tmp_path)

    assert found["Card"] == ("another text",)
    assert found["Size"][0].endswith("8 B more")
