"""Files of word embeddings: a word, then numbers, one word a line, as GloVe and word2vec write them."""

from __future__ import annotations

import array
import dataclasses
import gzip
import itertools
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rehub.errors import FormatError

_GZIP = b"\x1f\x8b"
_LARGEST = 3.4028234e38
"""Of the numbers that are stored. Source: IEEE 754, binary32."""

_Line = tuple[int, bytes]
"""A line and its number, from 1."""


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """The content of a file.

    Attributes:
        words: In the order of the file, in its encoding.
        numbers: Those of the words, one word after the other; float32.
        dim: How many numbers each word has.
        num_repeated: How many lines were left out because an earlier one has the same word.
    """

    words: Sequence[bytes]
    numbers: array.array[float]
    dim: int
    num_repeated: int


def read(path: Path) -> Embeddings:
    """Reads a file; where a word stands on several lines, the first of them counts.

    A first line of two whole numbers, as word2vec writes it, is left out, and so are empty lines. Words may contain
    spaces. The file may be compressed by gzip.

    Raises:
        FormatError: If the file cannot be read or is empty, or a line is not a word and as many numbers as others have.
    """
    try:
        return _read(path)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FormatError(
            f"'{path}' cannot be read: {reason}.", hint="Check that it is a whole file you may read.", path=str(path)
        ) from error


def _read(path: Path) -> Embeddings:
    lines = _lines(path)
    first = list(itertools.islice(lines, 2))
    if len(first) == 2 and _is_header(*first):
        del first[0]
    if not first:
        raise FormatError(
            f"'{path}' holds no words.", hint="Pass a file with a word and its numbers on each line.", path=str(path)
        )
    dim = _count_numbers(first[0][1])
    words: dict[bytes, None] = {}
    numbers = array.array("f")
    num_repeated = 0
    for number, line in itertools.chain(first, lines):
        try:
            word, row = _parse(line, dim)
        except ValueError as error:
            raise FormatError(
                f"'{path}', line {number}: {error}.",
                hint="Each line needs a word and as many numbers as the first one, separated by spaces.",
                path=str(path),
            ) from error
        if word in words:
            num_repeated += 1
        else:
            words[word] = None
            numbers.extend(row)
    return Embeddings(list(words), numbers, dim, num_repeated)


def _lines(path: Path) -> Iterator[_Line]:
    """Yields those that are not empty."""
    with path.open("rb") as file:
        is_compressed = file.read(len(_GZIP)) == _GZIP
    with gzip.open(path) if is_compressed else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if stripped := line.strip():
                yield number, stripped


def _is_header(first: _Line, second: _Line) -> bool:
    """Whether the first line says how many words follow, and how many numbers each has."""
    fields = first[1].split()
    return len(fields) == 2 and all(map(bytes.isdigit, fields)) and _count_numbers(second[1]) == int(fields[1])


def _count_numbers(line: bytes) -> int:
    """How many fields at the end of a line are numbers; the first field is the word, or begins it."""
    fields = line.split()[1:]
    return len(list(itertools.takewhile(_is_number, reversed(fields))))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _parse(line: bytes, dim: int) -> tuple[bytes, list[float]]:
    """Returns the word and the numbers of a line.

    Raises:
        ValueError: If it has others; says what is wrong.
    """
    # Not str.split: words of large vocabularies contain the spaces of Unicode.
    word, *fields = line.rsplit(None, dim)
    rest = word.split()
    if dim == 0:
        raise ValueError(f"there are no numbers after {_shown(rest[0])}")
    if len(fields) < dim or (len(rest) > 1 and _is_number(rest[-1])):
        raise ValueError(f"the count of numbers after {_shown(rest[0])} is {_count_numbers(line)}, not {dim}")
    try:
        row = [float(field) for field in fields]
    except ValueError:
        bad = next(field for field in fields if not _is_number(field))
        raise ValueError(f"{_shown(rest[0])} has {_shown(bad)} among its {dim} numbers") from None
    if not abs(sum(row)) <= _LARGEST:
        raise ValueError(f"{_shown(rest[0])} has a number that is infinite, too large, or not a number")
    return word, row


def _shown(text: bytes) -> str:
    return repr(text.decode(errors="replace")[:40])
