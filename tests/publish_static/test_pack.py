"""Packed models: the same bytes for the same files."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

import pytest

import rehub as hub
from rehub.archive.fingerprint import fingerprint, measure
from rehub.errors import FormatError, PublishError
from rehub.formats.card import read_card
from rehub.formats.manifest import BLOCK_BYTES, read_manifest
from rehub.formats.version_record import read_version_record
from rehub.publish.pack import pack
from tests import sample
from tests.publish_static import models


def touched(folder: Path, seconds: int, mode: int) -> Path:
    """Gives all files other times and permissions."""
    for path in folder.rglob("*"):
        path.chmod(mode if path.is_file() else 0o700)
        os.utime(path, (seconds, seconds))
    return folder


def test_pack_gives_the_same_bytes_for_copies_with_other_times_and_modes(tmp_path: Path) -> None:
    packed = []
    for number, mode in enumerate((0o644, 0o755)):
        folder = touched(models.copy(models.MODULE, tmp_path / f"{number}" / "model"), 10**9 * number, mode)
        packed.append(sample.read(pack(folder, tmp_path / f"{number}" / "out").folder))

    assert packed[0] == packed[1]
    assert set(packed[0]) == {"model.tar.gz", "manifest.json"}


def test_pack_writes_archives_that_old_clients_unpack(tmp_path: Path) -> None:
    source = models.copy(models.DATA / "saved_models" / "module", tmp_path / "model")
    archive = pack(source, tmp_path / "out").folder / "model.tar.gz"

    with tarfile.open(archive, "r:gz") as file:
        members = file.getmembers()
        file.extractall(tmp_path / "again", filter="data")

    assert [member.name for member in members if member.isdir()] == ["./assets", "./variables"]
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {(0, 0, "", 0)}
    assert sample.read(tmp_path / "again") == sample.read(source)


def test_pack_records_files_interface_and_card(tmp_path: Path) -> None:
    source = models.copy(models.CALLABLE, tmp_path / "model")
    done = pack(source, tmp_path / "out")
    data = (done.folder / "manifest.json").read_bytes()
    archive = (done.folder / "model.tar.gz").read_bytes()
    record = read_version_record(data)

    assert record == done.record
    assert read_manifest(data) == record.manifest
    assert record.manifest.facts == measure(source)
    assert fingerprint(record.manifest.facts) == fingerprint(measure(source))
    assert (record.archive.size_bytes, record.archive.sha256) == (len(archive), hashlib.sha256(archive).hexdigest())
    assert record.card == read_card(models.CARD.encode()).front_matter()
    known = hub.inspect(source).to_json()
    assert record.interface == {key: value for key, value in known.items() if key != "folder"}
    assert str(tmp_path) not in data.decode()
    assert record.publication is None


def test_pack_hashes_large_files_in_blocks(tmp_path: Path) -> None:
    source = models.copy(models.CALLABLE, tmp_path / "model")
    content = os.urandom(1000) * (BLOCK_BYTES // 1000 + 1)
    (source / "assets.extra").mkdir()
    (source / "assets.extra/large").write_bytes(content)
    files = {file.name: file for file in pack(source, tmp_path / "out").record.manifest.files}

    blocks = [content[:BLOCK_BYTES], content[BLOCK_BYTES:]]
    assert files["assets.extra/large"].blocks == tuple(hashlib.sha256(block).hexdigest() for block in blocks)


def test_pack_takes_a_card_from_another_place(tmp_path: Path) -> None:
    source = models.copy(models.CALLABLE, tmp_path / "model", card="")
    (tmp_path / "README.md").write_text(models.CARD)
    with_card = pack(source, tmp_path / "with", card=tmp_path / "README.md").record
    without = pack(source, tmp_path / "without").record

    assert with_card.card["license"] == "mit"
    assert without.card == {}
    assert with_card.manifest == without.manifest


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("link", "neither a file nor a folder"),
        ("nul.txt", "stands for something else"),
        ("card.md", "the card"),
    ],
)
def test_pack_refuses_what_cannot_be_published(name: str, problem: str, tmp_path: Path) -> None:
    source = models.copy(models.CALLABLE, tmp_path / "model", card="")
    (source / name).symlink_to("saved_model.pb") if name == "link" else (source / name).write_text("text")

    with pytest.raises(FormatError, match=problem):
        pack(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pack_refuses_what_is_not_whole(tmp_path: Path) -> None:
    source = models.copy(models.CALLABLE, tmp_path / "model")
    (source / "variables/variables.data-00000-of-00001").unlink()

    with pytest.raises(FormatError, match="lacks variables/variables"):
        pack(source, tmp_path / "out")


def test_pack_refuses_to_write_over_what_exists_or_into_the_model(tmp_path: Path) -> None:
    source = models.copy(models.CALLABLE, tmp_path / "model")
    before = sample.read(source)

    with pytest.raises(PublishError, match="inside of the model"):
        pack(source, source / "packed")
    with pytest.raises(PublishError, match="exists"):
        pack(source, tmp_path)
    assert sample.read(source) == before
