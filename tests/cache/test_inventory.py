from __future__ import annotations

from pathlib import Path

import pytest

from rehub.cache import inventory


@pytest.mark.parametrize("name", [".rehub.json", "..rehub.json", "...rehub.json"])
def test_take_passes_over_records_of_what_can_be_no_model(tmp_path: Path, name: str) -> None:
    for folder in (tmp_path, tmp_path / "hub.test"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"{}")
    assert inventory.take(tmp_path).entries == ()
