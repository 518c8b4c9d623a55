"""The names of a model's files, from wherever they come: only those that every disk takes for what they are.

A cache folder may be shared by machines of several systems, so a name that is harmless on one of them is refused for
what it is on another.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

from rehub.errors import FormatError

_PATH_LIMIT_BYTES = 1000  # macOS allows 1024 for a whole path, Linux 4096, and the cache folder comes before it
_SEGMENT_LIMIT_BYTES = 255
_DEPTH_LIMIT = 64
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\..*)?", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_NOTES = (".rehub.json", ".rehub-manifest.json")  # at the end of the names that rehub.cache.layout gives
_FETCH_AGAIN = "Fetch it again; if it recurs, tell the publisher."
# What counts for nothing in a name on some disks. Source: Unicode, Default_Ignorable_Code_Point, without those that
# belong to the category Cf or are not assigned.
_IGNORABLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0").union(
    map(chr, range(0xFE00, 0xFE10)), map(chr, range(0xE0100, 0xE01F0))
)
# Of the category Cf, those that are seen. Source: Unicode, Prepended_Concatenation_Mark.
_SEEN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# Persian, the scripts of India and joined emoji need these, but only inside of a word: between letters, with their
# marks, or symbols, and never those of ASCII.
_JOINERS = frozenset("\u200c\u200d")


class _Place(NamedTuple):
    segment: str
    is_folder: bool
    number: int


class FileNames:
    """Refuses names that lead out of a model's folder, or that some disk takes for one another.

    Args:
        holder: What holds the names, for messages: ``the archive``, for instance.
        hint: What to do about a name that is refused.
    """

    def __init__(self, holder: str, hint: str = _FETCH_AGAIN) -> None:
        self._holder = holder
        self._hint = hint
        # By the number of its folder and its name there, as a disk may see it. 0 is the model's folder.
        self._places: dict[tuple[int, str], _Place] = {}

    def __len__(self) -> int:
        """The number of files and folders, with those folders that are only part of a name."""
        return len(self._places)

    def add(self, name: str, *, is_folder: bool = False) -> str:
        """Returns the name without needless ``.`` and ``/``; empty for the model's folder itself.

        Raises:
            FormatError: If it is no name of a file below that folder on every disk, or one that is there already.
                Folders may come as often as they like.
        """
        if not _is_utf8(name):
            raise self._refused("a name that is no UTF-8", ascii(name))
        segments = [segment for segment in name.split("/") if segment not in ("", ".")]
        if (
            len(name.encode()) > _PATH_LIMIT_BYTES
            or len(segments) > _DEPTH_LIMIT
            or any(len(segment.encode()) > _SEGMENT_LIMIT_BYTES for segment in segments)
        ):
            raise self._refused("a name that is too long or too deep for a filesystem", f"{name[:100]}…")
        if name.startswith("/") or "\\" in name or ":" in name or any(map(_is_up, segments)):
            raise self._refused("a name that leads out of the model's folder", name)
        if not segments and not is_folder:
            raise self._refused("a file without a name", name)
        if _CONTROL.search(name):
            raise self._refused("a name with control characters", name)
        if not name.isascii() and any(map(_has_invisible, segments)):
            raise self._refused("a name with invisible characters, which may show it as another one", name)
        if any(segment.endswith((".", " ")) or _RESERVED.fullmatch(segment) for segment in segments):
            raise self._refused("a name that stands for something else on Windows", name)
        self._claim(segments, is_folder=is_folder)
        return "/".join(segments)

    def _claim(self, segments: list[str], *, is_folder: bool) -> None:
        folder = 0
        for depth, segment in enumerate(segments, 1):
            here = _Place(segment, is_folder or depth < len(segments), len(self._places) + 1)
            there = self._places.setdefault((folder, _folded(segment)), here)
            if there.segment != segment:
                clash = f"{there.segment!r} and {segment!r} in one folder, which some disks take for one"
                raise self._refused(clash, "/".join(segments[:depth]))
            if there is not here and not (here.is_folder and there.is_folder):
                raise self._refused("two members of one name", "/".join(segments[:depth]))
            folder = there.number

    def _refused(self, what: str, name: str) -> FormatError:
        return FormatError(
            f"{self._holder} has {what} (member {name!r}).",
            hint=self._hint,
            member=name,
        )


def is_note(name: str) -> bool:
    """Whether a file of this name would be a note of the cache in some folder: no model may bring one along."""
    return any(part.lower().endswith(_NOTES) for part in name.split("/"))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_invisible(segment: str) -> bool:
    for place, letter in enumerate(segment):
        if unicodedata.category(letter) == "Cf" and letter not in _SEEN:
            around = segment[place - 1 : place] + segment[place + 1 : place + 2]
            if letter not in _JOINERS or len(around) < 2 or not all(map(_can_be_joined, around)):
                return True
    return False


def _can_be_joined(letter: str) -> bool:
    return not letter.isascii() and unicodedata.category(letter)[0] in "LMS"


def _is_up(segment: str) -> bool:
    """Whether a disk may take a name for the folder itself, or for the one above."""
    return not _folded(segment).strip(". ")


@functools.lru_cache(maxsize=1024)
def _folded(segment: str) -> str:
    """The name as the least exact of all disks may see it.

    They differ in which letters are equal: upper and lower case (also as in Turkish), composed and decomposed, wide and
    narrow ones; and some see through what has no width.
    """
    if segment.isascii():
        return segment.lower()
    for _ in range(2):  # folding can leave what is to be decomposed, and the other way round
        segment = unicodedata.normalize("NFKD", segment).casefold()
    seen = (letter for letter in segment if unicodedata.category(letter) != "Cf" and letter not in _IGNORABLE)
    return unicodedata.normalize("NFKC", "".join(seen).replace("\u0131", "i").replace("i\u0307", "i"))
