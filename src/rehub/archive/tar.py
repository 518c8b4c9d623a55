"""Reading tar: members as they come, with every name and size checked."""

from __future__ import annotations

import dataclasses
import itertools
import tarfile
from collections.abc import Iterator, Mapping

from rehub.errors import FormatError
from rehub.file_names import FileNames

BLOCK_BYTES = 512
_HEADER_LIMIT_BYTES = 1 << 20  # of one extended header, which may hold what a Mac knows about a file
_HEADERS_PER_MEMBER_BYTES = 1 << 10  # of extended headers on average, of which few members have any
_RECORDS_LIMIT = 1000  # in one extended header
_PADDING_LIMIT_BYTES = 16 << 20  # after the end mark; tools write 10 KiB, and on request 1 MiB
_KINDS = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE})
_SPARSE = ("GNU.sparse.", "SCHILY.realsize", "SUN.holesdata")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        members: Number of files and folders.
        total_bytes: Size of everything unpacked.
        ratio: Unpacked bytes per byte of the archive, beyond ``ratio_free_bytes``. Zeros have one of 1000.
        ratio_free_bytes: Unpacked bytes to which the ratio does not apply.
    """

    members: int = 100_000
    total_bytes: int = 64 << 30
    ratio: int = 100
    ratio_free_bytes: int = 256 << 20


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
        """Reads to the end, so that the checksum there is checked too; but no endless padding."""
        count = 0
        for chunk in itertools.chain([bytes(self._rest)], self._chunks):
            count += len(chunk)
            if chunk.strip(b"\0") or count > _PADDING_LIMIT_BYTES:
                return False
        return True

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
        self._names = FileNames("the archive")
        self._headers_bytes = 0

    def members(self) -> Iterator[tuple[str, int | None]]:
        """Gives name and size of each member, None as the size of a folder.

        The caller reads the `content` of a file before it asks for the next member.
        """
        count = total_bytes = 0
        extended: dict[str, str] = {}
        while (info := self._header()) is not None:
            if info.type == tarfile.XGLTYPE:
                if _pax_records(self._header_content(info)):
                    raise damaged("has one name, size or kind for all its members")
            elif info.type == tarfile.XHDTYPE:
                extended |= _pax_records(self._header_content(info))
            elif info.type == tarfile.GNUTYPE_LONGNAME:
                extended["path"] = _text(self._header_content(info).rstrip(b"\0"))
            else:
                name, size_bytes = self._checked(info, extended)
                extended = {}
                count += 1
                total_bytes += size_bytes or 0
                if max(count, len(self._names)) > self._limits.members:
                    raise damaged(f"holds more than {self._limits.members} files and folders")
                if total_bytes > self._limits.total_bytes:
                    raise damaged(f"unpacks to more than {self._limits.total_bytes} bytes")
                if name:
                    yield name, size_bytes
        if extended:
            raise damaged("ends early, after a header that belongs to a member")
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
        self._headers_bytes += BLOCK_BYTES + info.size
        if self._headers_bytes > _HEADER_LIMIT_BYTES + _HEADERS_PER_MEMBER_BYTES * self._limits.members:
            raise damaged(f"has tar headers of more than {self._headers_bytes - 1} bytes")
        return b"".join(bytes(piece) for piece in self.content(info.size))

    def _checked(self, info: tarfile.TarInfo, extended: Mapping[str, str]) -> tuple[str, int | None]:
        name = extended.get("path", info.name)
        if info.type not in _KINDS or any(key.startswith(_SPARSE) for key in extended):
            raise damaged("holds a link, a device or something else that is no regular file or folder", name)
        name = self._names.add(name, is_folder=info.isdir())
        if info.isdir():
            return name, None
        size = extended.get("size", str(info.size))
        if not (size.isascii() and size.isdigit() and len(size) < 20):
            raise damaged(f"has a member of {size[:40]} bytes", name)
        return name, int(size)


def _pax_records(data: bytes) -> dict[str, str]:
    """Reads ``LENGTH KEY=VALUE`` lines, the length counting the whole line. Source: POSIX.1-2017, pax.

    Returns:
        What says something about the name, the size or the kind of a member.
    """
    records, start, count = {}, 0, 0
    while start < len(data):
        count += 1
        space = data.find(b" ", start, start + 8)
        length = data[start:space] if space > 0 else b""
        end = start + int(length) if length.isdigit() else 0
        if not space + 1 < end <= len(data) or count > _RECORDS_LIMIT:
            raise damaged("has a damaged pax header")
        key, equals, value = data[space + 1 : end].partition(b"=")
        if not (equals and value.endswith(b"\n")):
            raise damaged("has a damaged pax header")
        if key in (b"path", b"size") or key.startswith(tuple(map(str.encode, _SPARSE))):
            records[_text(key)] = _text(value[:-1])
        start = end
    return records


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise damaged(f"has a name that is no UTF-8: {data[:100]!r}") from None


def damaged(what: str, member: str = "") -> FormatError:
    """Makes the error for an archive that cannot be trusted, or be read at all."""
    at = f" (member {member!r})" if member else ""
    return FormatError(
        f"the archive {what}{at}.",
        hint="Fetch it again; if it recurs, tell the publisher.",
        member=member,
    )
