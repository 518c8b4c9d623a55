"""What a folder of models shows, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehub.server.catalogue import Catalogue


def put(root: Path, *places: str) -> Path:
    for place in places:
        (root / place).mkdir(parents=True, exist_ok=True)
        (root / place / "saved_model.pb").touch()
    return root


def test_strays_are_the_models_without_a_url(tmp_path: Path) -> None:
    root = put(tmp_path, "acme/net/1", "acme/net/latest", "acme/net/007", "acme/plain", "acme/net/2/extra")

    assert Catalogue(root).strays() == ["acme/net/007", "acme/net/2/extra", "acme/net/latest", "acme/plain"]


def test_strays_are_not_what_a_publisher_left_who_did_not_come_to_the_end(tmp_path: Path) -> None:
    assert Catalogue(put(tmp_path, f"acme/net/1/{'0' * 32}/files")).strays() == []


def test_strays_name_the_folder_itself_when_it_is_a_model(tmp_path: Path) -> None:
    assert Catalogue(put(tmp_path, ".")).strays() == ["."]


@pytest.mark.parametrize("places", [(), ("acme/net/1", "team/group/net/12")])
def test_strays_are_none_where_all_is_in_its_place(tmp_path: Path, places: tuple[str, ...]) -> None:
    assert Catalogue(put(tmp_path, *places)).strays() == []
