"""Manifests of the tests' models, and a hub that answers with them."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

from rehub.formats.manifest import MEDIA_TYPE, Manifest, ManifestFile, write_manifest
from tests import sample
from tests.misbehaving import Answer, Request

BLOCK = 64 << 10
WEIGHTS = "variables/variables.data-00000-of-00001"
FILES: Mapping[str, bytes] = {**sample.FILES, WEIGHTS: random.Random(1).randbytes(20 * BLOCK + 1000)}
SIZE = sum(map(len, FILES.values()))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_of(name: str, data: bytes, block_bytes: int = BLOCK) -> ManifestFile:
    blocks = (data[start : start + block_bytes] for start in range(0, len(data), block_bytes))
    return ManifestFile(name, len(data), sha256(data), tuple(map(sha256, blocks)))


def manifest_of(files: Mapping[str, bytes] = FILES, block_bytes: int = BLOCK) -> Manifest:
    return Manifest(tuple(file_of(name, files[name], block_bytes) for name in sorted(files)), block_bytes)


class Hub:
    """A step of a `tests.misbehaving.MisbehavingServer` that answers for one model, also at once to many.

    Attributes:
        files: The model.
        manifest: What is sent as its manifest; None for archives only.
        parts: Name, first byte and the one after the last of each part that was asked for.
        change: Makes another answer of the one for a file, if it is set.
    """

    def __init__(self, files: Mapping[str, bytes] = FILES) -> None:
        self.files = files
        self.manifest: bytes | None = write_manifest(manifest_of(files))
        self.parts: list[tuple[str, int, int]] = []
        self.change: Callable[[str, Answer], Answer] = lambda _, answer: answer

    def __call__(self, request: Request) -> Answer:
        query = parse_qs(urlsplit(request.target).query)
        if "rehub-file" in query:
            return self._file(query["rehub-file"][0], request)
        if self.manifest is not None and MEDIA_TYPE in request.headers.get("accept", ""):
            headers = {"Content-Type": MEDIA_TYPE, "ETag": f'"{sha256(self.manifest)}"', "Vary": "Accept"}
            return Answer(self.manifest, headers=headers)
        return Answer(sample.archive(self.files), headers={"ETag": '"archive"'})

    @property
    def sent_bytes(self) -> int:
        """Of all parts that were asked for."""
        return sum(end - start for _, start, end in self.parts)

    def _file(self, name: str, request: Request) -> Answer:
        if name not in self.files:
            return Answer(status=404)
        data = self.files[name]
        headers = {"ETag": f'"{sha256(data)}"'}
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if part is None or request.headers["if-range"] != headers["ETag"]:
            return self.change(name, Answer(data, headers=headers))
        start, end = int(part[1]), int(part[2]) + 1
        self.parts.append((name, start, end))
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        return self.change(name, Answer(data[start:end], 206, headers))
