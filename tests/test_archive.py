from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import random
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehub.archive.fingerprint import fingerprint, measure
from rehub.archive.reading import Unpacked, looks_like_archive, unpack
from rehub.archive.tar import Limits
from rehub.archive.writing import pack
from rehub.errors import FormatError
from rehub.file_names import FileNames
from tests import sample

SMALL = {"saved_model.pb": b"abc" * 100, "variables/data": random.Random(1).randbytes(100)}


def unpacked(data: bytes, folder: Path, limits: Limits = Limits()) -> Unpacked:  # noqa: B008
    folder.mkdir(parents=True, exist_ok=True)
    return unpack(io.BytesIO(data), folder, limits)


def tar_of(*members: tarfile.TarInfo, data: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for member in members:
            file.addfile(member, io.BytesIO(data * member.size))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def _can_be_together(names: Iterable[str]) -> bool:
    seen = FileNames("the archive")
    try:
        return [seen.add(name) for name in names] == list(names)
    except FormatError:
        return False


SEGMENTS = st.text(min_size=1, max_size=12)
TREES = st.dictionaries(
    st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join).filter(lambda name: _can_be_together([name])),
    st.binary(max_size=2000),
    max_size=6,
).filter(_can_be_together)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_unpack_gives_what_pack_took(tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as top:
        source = sample.write(Path(top, "in"), tree)
        source.mkdir(exist_ok=True)
        data = sample.packed(source)
        facts = unpacked(data, Path(top, "out"))
        assert sample.read(Path(top, "out")) == tree
        assert facts.files == measure(source) == {n: (len(b), hashlib.sha256(b).hexdigest()) for n, b in tree.items()}
        assert (facts.archive_bytes, facts.archive_sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_pack_gives_the_same_bytes_when_only_times_and_modes_differ(tmp_path: Path) -> None:
    first = sample.write(tmp_path / "a", SMALL)
    second = sample.write(tmp_path / "b", dict(reversed(SMALL.items())))
    os.utime(second / "saved_model.pb", (1, 1))
    (second / "saved_model.pb").chmod(0o700)
    assert sample.packed(first) == sample.packed(second)


def test_pack_writes_what_old_clients_need(tmp_path: Path) -> None:
    data = sample.packed(sample.write(tmp_path / "m", SMALL))
    assert data[3:8] == b"\0" * 5  # no name, no time
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        members = file.getmembers()
    assert [m.name for m in members] == ["./saved_model.pb", "./variables", "./variables/data"]
    assert {(m.uid, m.gid, m.mtime) for m in members} == {(0, 0, 0)}


def test_pack_refuses_a_link(tmp_path: Path) -> None:
    sample.write(tmp_path / "m", SMALL)
    (tmp_path / "m" / "link").symlink_to("saved_model.pb")
    with pytest.raises(FormatError, match="link") as caught:
        pack(tmp_path / "m", io.BytesIO())
    assert caught.value.path.endswith("link")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("zipped", [True, False])
def test_unpack_reads_long_names_of_every_tar(tmp_path: Path, form: int, zipped: bool) -> None:
    name = "a" * 90 + "/" + "ü" * 40 if form != tarfile.USTAR_FORMAT else "a" * 90 + "/" + "b" * 60
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as file:
        file.addfile(member("./", tarfile.DIRTYPE))
        file.addfile(member(name, size=3), io.BytesIO(b"abc"))
    unpacked(gzip.compress(out.getvalue()) if zipped else out.getvalue(), tmp_path / "out")
    assert sample.read(tmp_path / "out") == {name: b"abc"}


def test_unpack_joins_gzip_members_and_ignores_padding(tmp_path: Path) -> None:
    data = sample.tar(SMALL)
    unpacked(gzip.compress(data[:600]) + gzip.compress(data[600:]) + bytes(512), tmp_path / "out")
    assert sample.read(tmp_path / "out") == SMALL


def test_unpack_fails_wherever_a_tar_gz_is_cut(tmp_path: Path) -> None:
    data = sample.archive(SMALL)
    for end in range(len(data)):
        with pytest.raises(FormatError):
            unpacked(data[:end], tmp_path / str(end))


def test_unpack_fails_wherever_a_tar_is_cut_before_its_end_mark(tmp_path: Path) -> None:
    data = sample.tar(SMALL)
    end_mark = 4 * 512  # two headers, two contents
    assert not data[end_mark:].strip(b"\0")
    for end in range(0, end_mark + 512, 7):
        with pytest.raises(FormatError):
            unpacked(data[:end], tmp_path / str(end))


def test_unpack_fails_or_is_right_whichever_byte_is_damaged(tmp_path: Path) -> None:
    data = sample.archive(SMALL)
    for place in range(len(data)):
        bad = bytearray(data)
        bad[place] ^= 0x41
        try:
            unpacked(bytes(bad), tmp_path / str(place))
        except FormatError:
            continue
        assert sample.read(tmp_path / str(place)) == SMALL
        assert place < 10  # only flags, time and system in the gzip header are without a checksum


@pytest.mark.parametrize("junk", [b"x", b"\x1f\x8b\x08junk", bytes(600) + b"x", b"<html>"])
def test_unpack_fails_when_something_follows(tmp_path: Path, junk: bytes) -> None:
    with pytest.raises(FormatError):
        unpacked(sample.archive(SMALL) + junk, tmp_path / "a")
    with pytest.raises(FormatError):
        unpacked(sample.compress(sample.tar(SMALL) + junk), tmp_path / "b")


@pytest.mark.parametrize(
    "name",
    ["/etc/x", "../x", "a/../../x", "a\\b", "C:/x", "c:x", "a/..", ".", "x" * 300, "/".join(["y" * 200] * 30)],
)
def test_unpack_refuses_a_name_that_leads_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError):
        unpacked(tar_of(member(name, size=1), data=b"x"), tmp_path / "top" / "out")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
        b"Z",
    ],
)
def test_unpack_refuses_a_member_that_is_no_file(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        unpacked(tar_of(member("x", kind, linkname="/etc/passwd")), tmp_path / "out")
    assert caught.value.member == "x"


def test_unpack_refuses_a_sparse_file_of_pax(tmp_path: Path) -> None:
    sparse = member("x", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.name": "y"})
    with pytest.raises(FormatError, match="'x'"):
        unpacked(tar_of(sparse), tmp_path / "out")


@pytest.mark.parametrize(
    "names",
    [("a", "a"), ("a", "./a"), ("a", "A"), ("e\u0301", "\u00e9"), ("a", "a/b"), ("a/b", "a"), ("A/x", "a/y")],
)
def test_unpack_refuses_names_that_a_disk_may_take_for_one(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(FormatError):
        unpacked(tar_of(*map(member, names)), tmp_path / "out")


def test_unpack_takes_the_same_folder_twice(tmp_path: Path) -> None:
    folder = member("a", tarfile.DIRTYPE)
    unpacked(tar_of(folder, folder, member("a/b")), tmp_path / "out")
    assert sample.read(tmp_path / "out") == {"a/b": b""}


@pytest.mark.parametrize(
    "header", [b"999999 path=x\n", b"x path=y\n", b"9 pathx\n\n", b"5 path=x\n", b"14 path=\xff\xfe..\n"]
)
def test_unpack_refuses_a_damaged_pax_header(tmp_path: Path, header: bytes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        file.addfile(member("x", tarfile.XHDTYPE, size=len(header)), io.BytesIO(header))
        file.addfile(member("y"))
    with pytest.raises(FormatError):
        unpacked(out.getvalue(), tmp_path / "out")


def test_unpack_refuses_a_pax_header_that_would_fill_the_memory(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=f"header of {2 << 20} bytes"):
        unpacked(tar_of(member("x", tarfile.XHDTYPE, size=2 << 20), data=b"x"), tmp_path / "out")


@pytest.mark.parametrize("limits", [Limits(members=1), Limits(total_bytes=999), Limits(ratio=2, ratio_free_bytes=500)])
def test_unpack_stops_at_a_limit(tmp_path: Path, limits: Limits) -> None:
    data = sample.compress(sample.tar({"a": bytes(10), "b": bytes(20_000)}))
    with pytest.raises(FormatError, match="more than"):
        unpacked(data, tmp_path / "out", limits)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_unpack_raises_what_the_disk_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if os.fstat(descriptor).st_size == len(SMALL[name]):
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space") as caught:
        unpacked(sample.archive(SMALL), tmp_path / "out")
    assert caught.value.errno == errno.ENOSPC


def test_unpack_refuses_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    data = tar_of(member("x", size=1), data=b"x").replace(b"x\0\0\0", b"\xff\0\0\0", 1)
    header = bytearray(data[:512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(FormatError, match="UTF-8"):
        unpacked(bytes(header) + data[512:], tmp_path / "out")


@pytest.mark.parametrize("start", [b"", b"<!DOCTYPE html>", b"\0" * 512, b"{}" * 300])
def test_looks_like_archive_says_no_to_others(start: bytes) -> None:
    assert not looks_like_archive(start)


def test_looks_like_archive_says_yes_to_both_kinds() -> None:
    assert looks_like_archive(sample.archive())
    assert looks_like_archive(sample.tar()[:512])


def test_fingerprint_is_the_digest_of_sorted_lines() -> None:
    files = {"b": (1, "a" * 64), "a": (2, "f" * 64)}
    text = f"{'a' * 64}  b\n{'f' * 64}  a\n"
    assert fingerprint(files) == hashlib.sha256(text.encode()).hexdigest()
