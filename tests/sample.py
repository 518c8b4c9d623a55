"""The smallest model that a hub can serve: a SavedModel of one empty graph, with files around it."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path

from rehub.archive.writing import pack

SAVED_MODEL = b"\x08\x01\x12\x00"  # SavedModel(saved_model_schema_version=1, meta_graphs=[MetaGraphDef()])
FILES: Mapping[str, bytes] = {
    "saved_model.pb": SAVED_MODEL,
    "assets/words.txt": b"hello\nworld\n",
    "variables/variables.data-00000-of-00001": random.Random(0).randbytes(60_000),
}


def write(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def read(folder: str | Path) -> dict[str, bytes]:
    root = Path(folder)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def archive(files: Mapping[str, bytes] = FILES) -> bytes:
    """Returns a .tar.gz."""
    return compress(tar(files))


def tar(files: Mapping[str, bytes] = FILES) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def compress(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def packed(folder: Path) -> bytes:
    out = io.BytesIO()
    pack(folder, out)
    return out.getvalue()
