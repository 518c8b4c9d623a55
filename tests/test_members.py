"""What a folder that is to be published may hold."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path, PurePosixPath

import pytest

from rehub.archive.members import members
from rehub.archive.writing import pack
from rehub.cache import layout
from rehub.errors import FormatError
from tests import sample


def test_members_come_sorted_with_each_folder_before_what_is_in_it(tmp_path: Path) -> None:
    sample.write(tmp_path, {"saved_model.pb": b"", "assets/words.txt": b"", "assets/a/b": b""})
    (tmp_path / "variables").mkdir()
    found = list(members(tmp_path))
    assert [(member.name, member.is_folder) for member in found] == [
        ("assets", True),
        ("assets/a", True),
        ("assets/a/b", False),
        ("assets/words.txt", False),
        ("saved_model.pb", False),
        ("variables", True),
    ]
    assert all(member.path == tmp_path / member.name for member in found)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("assets/con.txt", "stands for something else on Windows"),
        ("assets/words ", "stands for something else on Windows"),
        ("assets/a:b", "leads out of the model's folder"),
        ("assets/a\\b", "leads out of the model's folder"),
        ("assets/a\nb", "control characters"),
        ("aux/words.txt", "stands for something else on Windows"),
        ("/".join(["d"] * 64) + "/words.txt", "too deep"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="has no such names")
def test_pack_refuses_names_that_clients_refuse(tmp_path: Path, name: str, words: str) -> None:
    out = io.BytesIO()
    with pytest.raises(FormatError, match=words) as caught:
        pack(sample.write(tmp_path, {**sample.FILES, name: b""}), out)
    assert name.startswith(caught.value.member.rstrip("\u2026"))
    assert "Rename it" in caught.value.hint
    assert out.getvalue() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="has no such names")
def test_pack_refuses_names_that_some_disk_takes_for_one(tmp_path: Path) -> None:
    sample.write(tmp_path, {"assets/Words": b"", "assets/words": b""})
    with pytest.raises(FormatError, match="'Words' and 'words' in one folder, which some disks take for one"):
        pack(tmp_path, io.BytesIO())


@pytest.mark.skipif(sys.platform != "linux", reason="has no such names")
def test_pack_refuses_names_that_are_no_text(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()
    with pytest.raises(FormatError, match="no UTF-8"):
        pack(tmp_path, io.BytesIO())


@pytest.mark.parametrize("note", [layout.record, layout.manifest, layout.pointer])
def test_pack_refuses_names_of_notes_of_the_cache(tmp_path: Path, note: object) -> None:
    name = str(note(PurePosixPath("assets/1")))  # type: ignore[operator]
    with pytest.raises(FormatError, match="caches keep for themselves"):
        pack(sample.write(tmp_path, {name: b""}), io.BytesIO())


def test_pack_refuses_links(tmp_path: Path) -> None:
    (sample.write(tmp_path) / "assets/more").symlink_to("words.txt")
    with pytest.raises(FormatError, match="neither a file nor a folder") as caught:
        pack(tmp_path, io.BytesIO())
    assert caught.value.member == "assets/more"
