from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehub.errors import FormatError
from rehub.publish import embedding_file
from rehub.publish.embedding_file import Embeddings


def read(folder: Path, content: bytes) -> Embeddings:
    (folder / "words.txt").write_bytes(content)
    return embedding_file.read(folder / "words.txt")


def test_read_gives_words_and_their_numbers(tmp_path: Path) -> None:
    found = read(tmp_path, b"one 1 2.5\ntwo -3e-1 4\n")
    assert (found.words, found.dim, found.num_repeated) == ([b"one", b"two"], 2, 0)
    assert found.numbers.tolist() == pytest.approx([1, 2.5, -0.3, 4])


@pytest.mark.parametrize(
    "content",
    [
        b"one 1 2\ntwo 3 4",
        b"one 1 2\r\ntwo 3 4\r\n",
        b"one\t1\t2\ntwo\t3\t4\n",
        b"one 1 2 \n\n\ntwo  3 4 \n\n",
        b"2 2\none 1 2\ntwo 3 4\n",
        gzip.compress(b"one 1 2\ntwo 3 4\n"),
    ],
    ids=["no last newline", "Windows", "tabs", "blanks", "header", "gzip"],
)
def test_read_tolerates_what_tools_write(tmp_path: Path, content: bytes) -> None:
    found = read(tmp_path, content)
    assert (found.words, found.numbers.tolist()) == ([b"one", b"two"], [1, 2, 3, 4])


@pytest.mark.parametrize("word", [". . .", "at name@domain.com", "1\u00a03/4", "7", "ß", "nan", "\u2028", "a\x85b"])
def test_read_takes_strange_words_as_they_are(tmp_path: Path, word: str) -> None:
    found = read(tmp_path, f"first 1 2\n{word} 3 4\n".encode())
    assert (found.words[1].decode(), found.numbers.tolist()) == (word, [1, 2, 3, 4])


def test_read_takes_a_first_word_that_is_a_number(tmp_path: Path) -> None:
    assert read(tmp_path, b"7 1 2\n8 3 4\n").words == [b"7", b"8"]
    assert read(tmp_path, b". . 1 2\n8 3 4\n").dim == 2


def test_read_keeps_a_first_line_of_numbers_that_is_no_header(tmp_path: Path) -> None:
    assert read(tmp_path, b"2 3\n4 5\n").words == [b"2", b"4"]


def test_read_lets_the_first_line_of_a_word_count(tmp_path: Path) -> None:
    found = read(tmp_path, b"a 1\nb 2\na 3\na 4\n")
    assert (found.words, found.numbers.tolist(), found.num_repeated) == ([b"a", b"b"], [1, 2], 2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"one 1 2\n\ntwo 3\n", "line 3: the count of numbers after 'two' is 1, not 2"),
        (b"one 1 2\ntwo 3 4 5\n", "line 2: the count of numbers after 'two' is 3, not 2"),
        (b"one 1 2\n5\n", "line 2: the count of numbers after '5' is 0, not 2"),
        (b"one 1 2\ntwo x 4\n", "line 2: 'two' has 'x' among its 2 numbers"),
        (b"one 1 2\ntwo 3 x\n", "line 2: 'two' has 'x' among its 2 numbers"),
        (b"one 1 2\ntwo 3 nan\n", "line 2: 'two' has a number that is infinite, too large, or not a number"),
        (b"one 1 1e39\n", "line 1: 'one' has a number that is infinite, too large"),
        (b"3 2\none 1 2\ntwo 3 4 5\n", "line 3: the count of numbers after 'two' is 3, not 2"),
        (b"one two\n", "line 1: there are no numbers after 'one'"),
        (b"", "holds no words"),
        (b"\n \n", "holds no words"),
    ],
)
def test_read_names_the_line_that_is_wrong(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        read(tmp_path, content)
    assert caught.value.path == str(tmp_path / "words.txt")


def test_read_refuses_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        embedding_file.read(tmp_path / "nothing.txt")
    with pytest.raises(FormatError, match="cannot be read: Compressed file ended"):
        read(tmp_path, gzip.compress(b"one 1 2\n" * 100)[:-12])


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\t\v\f "), min_size=1, max_size=5)
ROWS = st.integers(1, 4).flatmap(
    lambda dim: st.dictionaries(
        WORDS, st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=dim, max_size=dim), min_size=2, max_size=5
    )
)


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_read_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, list[float]]
) -> None:
    lines = [" ".join([word, *map(repr, row)]) for word, row in rows.items()]
    found = read(tmp_path_factory.mktemp("words"), "\n".join(lines).encode())
    assert [word.decode() for word in found.words] == list(rows)
    assert found.numbers.tolist() == [number for row in rows.values() for number in row]
