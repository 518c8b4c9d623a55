"""Reading tar: members as they come, with every name and size checked."""

from __future__ import annotations

import dataclasses
import re
import tarfile
import unicodedata
from collections.abc import Iterator, Mapping

from rehub.errors import FormatError

BLOCK_BYTES = 512
_HEADER_LIMIT_BYTES = 1 << 20  # of one extended header; a path is at most 4 KiB on Linux
_KINDS = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE})
_DRIVE = re.compile(r"[A-Za-z]:")
_PATH_LIMIT_BYTES = 4095
_SEGMENT_LIMIT_BYTES = 255


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        members: Number of files and folders.
        total_bytes: Size of everything unpacked.
        ratio: Unpacked bytes per byte of the archive, beyond ``ratio_free_bytes``.
        ratio_free_bytes: Unpacked bytes to which the ratio does not apply.
    """

    members: int = 100_000
    total_bytes: int = 64 << 30
    ratio: int = 1000
    ratio_free_bytes: int = 64 << 20


class Blocks:
    """Cuts a stream of bytes into headers and contents."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def pieces(self, size_bytes: int) -> Iterator[memoryview]:
        """Gives the next bytes as they come, without copying them."""
        while size_bytes:
            if not self._rest:
                self._rest = memoryview(self._next())
            piece = self._rest[:size_bytes]
            self._rest = self._rest[len(piece) :]
            size_bytes -= len(piece)
            yield piece

    def take(self, size_bytes: int) -> bytes:
        """Returns the next bytes as one."""
        return b"".join(self.pieces(size_bytes))

    def only_zeros_follow(self) -> bool:
        """Reads to the end, so that the checksum there is checked too."""
        zeros = not bytes(self._rest).strip(b"\0")
        for chunk in self._chunks:
            zeros = zeros and not chunk.strip(b"\0")
        return zeros

    def _next(self) -> bytes:
        for chunk in self._chunks:
            if chunk:
                return chunk
        raise damaged("ends early, before the end mark of the tar")


class Tar:
    """Reads the members of a tar: ustar, GNU and pax headers."""

    def __init__(self, blocks: Blocks, limits: Limits) -> None:
        self._blocks = blocks
        self._limits = limits
        self._names = _Names()

    def members(self) -> Iterator[tuple[str, int | None]]:
        """Gives name and size of each member, None as the size of a folder.

        The caller reads the `content` of a file before it asks for the next member.
        """
        count = total_bytes = 0
        common: dict[str, str] = {}
        extended: dict[str, str] = {}
        while (info := self._header()) is not None:
            if info.type == tarfile.XGLTYPE:
                common |= _pax_records(self._header_content(info))
            elif info.type == tarfile.XHDTYPE:
                extended |= _pax_records(self._header_content(info))
            elif info.type == tarfile.GNUTYPE_LONGNAME:
                extended["path"] = _text(self._header_content(info).rstrip(b"\0"))
            else:
                name, size_bytes = self._checked(info, common | extended)
                extended = {}
                count += 1
                total_bytes += size_bytes or 0
                if count > self._limits.members:
                    raise damaged(f"holds more than {self._limits.members} files and folders")
                if total_bytes > self._limits.total_bytes:
                    raise damaged(f"unpacks to more than {self._limits.total_bytes} bytes")
                if name:
                    yield name, size_bytes
        if not self._blocks.only_zeros_follow():
            raise damaged("goes on after its end")

    def content(self, size_bytes: int) -> Iterator[memoryview]:
        """Gives the content of the member that came last."""
        yield from self._blocks.pieces(size_bytes)
        self._blocks.take(-size_bytes % BLOCK_BYTES)

    def _header(self) -> tarfile.TarInfo | None:
        block = self._blocks.take(BLOCK_BYTES)
        if not block.strip(b"\0"):
            return None
        try:
            # A long name may be cut here within a character; the whole one stands in an extended header.
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            raise damaged(f"has a damaged tar header ({error})") from error

    def _header_content(self, info: tarfile.TarInfo) -> bytes:
        if not 0 <= info.size <= _HEADER_LIMIT_BYTES:
            raise damaged(f"has a tar header of {info.size} bytes")
        return b"".join(bytes(piece) for piece in self.content(info.size))

    def _checked(self, info: tarfile.TarInfo, extended: Mapping[str, str]) -> tuple[str, int | None]:
        name = extended.get("path", info.name)
        if info.type not in _KINDS or any(key.startswith("GNU.sparse.") for key in extended):
            raise damaged("holds a link, a device or something else that is no regular file or folder", name)
        name = self._names.add(name, is_folder=info.isdir())
        if info.isdir():
            return name, None
        size = extended.get("size", str(info.size))
        if not (size.isascii() and size.isdigit() and len(size) < 20):
            raise damaged(f"has a member of {size[:40]} bytes", name)
        return name, int(size)


def _pax_records(data: bytes) -> dict[str, str]:
    """Reads ``LENGTH KEY=VALUE`` lines, the length counting the whole line. Source: POSIX.1-2017, pax."""
    records = {}
    while data:
        length, space, _ = data.partition(b" ")
        if not (space and length.isdigit() and len(length) < 8 and len(length) + 1 < int(length) <= len(data)):
            raise damaged("has a damaged pax header")
        record, data = data[len(length) + 1 : int(length)], data[int(length) :]
        key, equals, value = record.partition(b"=")
        if not (equals and value.endswith(b"\n")):
            raise damaged("has a damaged pax header")
        if key in (b"path", b"size") or key.startswith(b"GNU.sparse."):
            records[_text(key)] = _text(value[:-1])
    return records


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise damaged(f"has a name that is no UTF-8: {data[:100]!r}") from None


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Names:
    """Refuses names that lead out of the target or that some filesystem takes for one another."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, bool]] = {}

    def add(self, name: str, *, is_folder: bool) -> str:
        """Returns the name without needless ``.`` and ``/``; empty for the root folder."""
        if not _is_utf8(name):
            raise damaged("has a name that is no UTF-8", ascii(name))
        segments = [segment for segment in name.split("/") if segment not in ("", ".")]
        if (
            name.startswith("/")
            or ".." in segments
            or "\\" in name
            or "\0" in name
            or _DRIVE.match("".join(segments[:1]))
        ):
            raise damaged("has a name that leads out of the model's folder", name)
        if not segments and not is_folder:
            raise damaged("has a file without a name", name)
        if len(name.encode()) > _PATH_LIMIT_BYTES or any(
            len(part.encode()) > _SEGMENT_LIMIT_BYTES for part in segments
        ):
            raise damaged("has a name that is too long for a filesystem", name[:100])
        for depth in range(1, len(segments) + 1):
            self._claim("/".join(segments[:depth]), is_folder=is_folder or depth < len(segments))
        return "/".join(segments)

    def _claim(self, path: str, *, is_folder: bool) -> None:
        folded = unicodedata.normalize("NFC", path).casefold()
        if folded not in self._seen:
            self._seen[folded] = (path, is_folder)
            return
        other, other_is_folder = self._seen[folded]
        if other != path:
            raise damaged(f"has {other!r} and {path!r}, which some disks take for one", path)
        if not (is_folder and other_is_folder):
            raise damaged("has two members of one name", path)


def damaged(what: str, member: str = "") -> FormatError:
    """Makes the error for an archive that cannot be trusted, or be read at all."""
    at = f" (member {member!r})" if member else ""
    return FormatError(
        f"the archive {what}{at}.",
        hint="Fetch it again; if it recurs, tell the publisher.",
        member=member,
    )
