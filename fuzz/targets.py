"""What is fuzzed: each target takes any bytes, and anything but a HubError is a finding."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import posixpath
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import google_crc32c

from rehub.archive.reading import unpack
from rehub.archive.tar import BLOCK_BYTES, Blocks, Limits, Tar
from rehub.cache import bundle_reading, layout
from rehub.cache.store import Store
from rehub.errors import HubError
from rehub.formats import checkpoint_data, checkpoint_index, keras_metadata, saved_model, schema, tf1_hub
from rehub.formats.card import read_card, write_card
from rehub.formats.lockfile import read_lockfile, write_lockfile
from rehub.formats.manifest import read_manifest, write_manifest
from rehub.formats.record import read_latest, read_record, write_latest, write_record
from rehub.formats.version_record import read_version_record, write_version_record
from rehub.handle import Kind, parse
from rehub.model.model_info import describe, missing_files

_LIMITS = Limits(members=200, total_bytes=1 << 20, ratio_free_bytes=1 << 18)
_FOOTER_BYTES = 48


def handle(data: bytes) -> None:
    """The text of a handle."""
    read = parse(data.decode("utf-8", "surrogateescape"))
    assert isinstance(read.host, str)
    if read.kind not in (Kind.HUB, Kind.ARCHIVE):
        return
    again = parse(read.location)
    assert dataclasses.replace(read, text="", pin=None) == dataclasses.replace(again, text="")
    assert parse(read.with_query("tf-hub-format", "compressed")).version == read.version
    for folder in (layout.leaf(read), layout.model_folder(read)):
        assert folder.parts
        assert not folder.is_absolute()
        assert ".." not in folder.parts


def tar(data: bytes) -> None:
    """The members of a tar whose headers have good checksums, without a disk."""
    archive = Tar(Blocks(iter([_with_checksums(data)])), _LIMITS)
    for name, size_bytes in archive.members():
        _check_name(name)
        if size_bytes is not None:
            assert sum(map(len, archive.content(size_bytes))) == size_bytes


def archive(data: bytes) -> None:
    """An archive on its way to the disk. The first byte tells whether to repair checksums, and to zip it."""
    how, content = data[:1], data[1:]
    if how and how[0] & 1:
        content = _with_checksums(content)
    if how and how[0] & 2:
        content = _zipped(content)
    with tempfile.TemporaryDirectory(dir=_memory()) as top:
        out = Path(top, "out")
        out.mkdir()
        try:
            unpacked = unpack(io.BytesIO(content), out, _LIMITS)
        finally:
            assert [path.name for path in Path(top).iterdir()] == ["out"]
        found = {path.relative_to(out).as_posix(): path.stat().st_size for path in out.rglob("*") if path.is_file()}
        assert found == {name: size_bytes for name, (size_bytes, _) in unpacked.files.items()}


def bundle(data: bytes) -> None:
    """What ``rehub cache import`` reads; headers get good checksums."""
    with tempfile.TemporaryDirectory(dir=_memory()) as top:
        store = Store(Path(top, "cache"), lock_timeout_s=1)
        try:
            for received in bundle_reading.unpack(io.BytesIO(_with_checksums(data)), store, lambda _: None):
                assert received.record.files
        finally:
            assert {path.name for path in Path(top).iterdir()} <= {"cache"}
            assert not list((store.root / layout.STAGING).glob("*"))


def saved_model_pb(data: bytes) -> None:
    """``saved_model.pb``, as a download and as ``rehub inspect`` read it."""
    _describe({saved_model.FILE_NAME: data})


def saved_model_pbtxt(data: bytes) -> None:
    """The same as text."""
    _describe({saved_model.TEXT_FILE_NAME: data})


def tfhub_module_pb(data: bytes) -> None:
    """``tfhub_module.pb``, and messages that are attached to a graph."""
    graph = schema.message("tensorflow.MetaGraphDef")()
    tf1_hub.attach(graph, {tf1_hub.IMAGE_INFO: data})
    with saved_model.translated(Path("saved_model.pb")):
        tf1_hub.attachments(graph)
    with _folder({tf1_hub.FILE_NAME: data}) as folder:
        tf1_hub.is_tf1_hub(folder)


def keras_metadata_pb(data: bytes) -> None:
    """``keras_metadata.pb``."""
    with _folder({keras_metadata.FILE_NAME: data}) as folder:
        keras_metadata.read(folder, schema.message("tensorflow.MetaGraphDef")())


def variables_index(data: bytes) -> None:
    """``variables.index``. If the first byte is odd, its blocks get good checksums; data shards are read too."""
    content = _with_block_checksums(data[1:]) if data[:1] and data[0] & 1 else data[1:]
    with _folder({"variables.index": content, "variables.data-00000-of-00001": b"\3abc" * 40}) as folder:
        index = checkpoint_index.read(folder / "variables.index")
        assert all(size_bytes >= 0 for size_bytes in index.shard_sizes().values())
        for damage in checkpoint_data.check(index):
            assert damage.what


def record(data: bytes) -> None:
    """The record of a cached model."""
    read = read_record(data)
    assert read_record(write_record(read)).files == read.files


def latest(data: bytes) -> None:
    """The note of a newest version."""
    read = read_latest(data)
    assert read_latest(write_latest(read)).leaf == read.leaf


def manifest(data: bytes) -> None:
    """The manifest of a model."""
    read = read_manifest(data)
    assert read_manifest(write_manifest(read)) == read
    for name in read.facts:
        _check_name(name)


def version_record(data: bytes) -> None:
    """What a hub knows of a version."""
    read = read_version_record(data)
    assert read_version_record(write_version_record(read)) == read


def card(data: bytes) -> None:
    """A model card, with front matter or as tfhub.dev had it."""
    read = read_card(data)
    assert read_card(write_card(read)) == read


def lockfile(data: bytes) -> None:
    """A lock file."""
    read = read_lockfile(data)
    assert set(read_lockfile(write_lockfile(read))) == set(read)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        *(handle, tar, archive, bundle, saved_model_pb, saved_model_pbtxt, tfhub_module_pb),
        *(keras_metadata_pb, variables_index, record, latest, manifest, version_record, card, lockfile),
    )
}


def is_read(target: str, data: bytes) -> bool:
    """Gives data to a target.

    Returns:
        Whether it took them; it may refuse them by a HubError.
    """
    try:
        TARGETS[target](data)
    except HubError:
        return False
    return True


def _describe(files: Mapping[str, bytes]) -> None:
    with _folder(files) as folder:
        missing_files(folder)
        json.dumps(describe(folder, activations=True).to_json(), allow_nan=False)


def _check_name(name: str) -> None:
    assert name
    assert posixpath.normpath(f"/model/{name}") == f"/model/{name}"
    assert not set(name) & {"\0", "\\", ":"}


def _with_checksums(data: bytes) -> bytes:
    """Repairs the headers: what changes bytes at random next to never hits their sums."""
    blocks = bytearray(data)
    for start in range(0, len(blocks) - BLOCK_BYTES + 1, BLOCK_BYTES):
        if blocks[start + 257 : start + 262] == b"ustar":
            blocks[start + 148 : start + 156] = b" " * 8
            blocks[start + 148 : start + 156] = b"%06o\0 " % sum(blocks[start : start + BLOCK_BYTES])
    return bytes(blocks)


def _with_block_checksums(data: bytes) -> bytes:
    """A table of one data block and its index; the first two bytes are the length of the former."""
    end = 2 + int.from_bytes(data[:2], "little")
    table, places = b"", []
    for block in (data[2:end], data[end:]):
        places.append((len(table), len(block)))
        table += block + b"\0"
        table += checkpoint_index.masked(google_crc32c.value(block + b"\0")).to_bytes(4, "little")
    footer = b"".join(_varint(number) for place in (places[0], places[1]) for number in place)
    return table + footer.ljust(_FOOTER_BYTES - 8, b"\0") + bytes.fromhex("57fb808b247547db")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _zipped(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def _memory() -> str | None:
    """A folder in memory, where the system has one: thousands of files a second wear out a disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


@contextlib.contextmanager
def _folder(files: Mapping[str, bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        yield Path(folder)
