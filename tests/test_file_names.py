"""Which names files of a model may have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehub.errors import FormatError
from rehub.file_names import FileNames


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("saved_model.pb", "saved_model.pb"),
        ("./variables//variables.data-00000-of-00001", "variables/variables.data-00000-of-00001"),
        ("assets/./.hidden", "assets/.hidden"),
        ("assets/..words", "assets/..words"),
        ("assets/a b~$&'()+,;=@[]{}!#%^`", "assets/a b~$&'()+,;=@[]{}!#%^`"),
        ("assets/W\u00f6rter.txt", "assets/W\u00f6rter.txt"),
        ("assets/\u6a21\u578b\uff1a\u8bcd\u8868.txt", "assets/\u6a21\u578b\uff1a\u8bcd\u8868.txt"),
        ("assets/\U0001f469\u200d\U0001f52c.txt", "assets/\U0001f469\u200d\U0001f52c.txt"),
        ("assets/\u0645\u06cc\u200c\u062e\u0648.txt", "assets/\u0645\u06cc\u200c\u062e\u0648.txt"),
        ("assets/\u0915\u094d\u200d\u0937.txt", "assets/\u0915\u094d\u200d\u0937.txt"),
        ("assets/\u2764\ufe0f\u200d\U0001f525.txt", "assets/\u2764\ufe0f\u200d\U0001f525.txt"),
        ("assets/\u0600\u0661.txt", "assets/\u0600\u0661.txt"),
        ("assets/auxiliary/console/com10/null.txt", "assets/auxiliary/console/com10/null.txt"),
        ("/".join(["d"] * 63) + "/x", "/".join(["d"] * 63) + "/x"),
        ("x" * 255, "x" * 255),
    ],
)
def test_add_returns_the_plain_name(name: str, plain: str) -> None:
    assert FileNames("the archive").add(name) == plain


@pytest.mark.parametrize(
    "name",
    [
        *(f"assets/a{letter}b.txt" for letter in "\xad\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\U000e0041"),
        *(f"assets/a{chr(code)}b.txt" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
        "assets/gpj.\u202etxt",
        "\u200fassets/x",
        "assets/\u0645\u200c",
        "\u200d\u0937/x",
        "assets/\u0645\u200c.txt",
        "assets/\u0645\u200c\u200c\u0645",
    ],
)
def test_add_refuses_letters_that_nobody_sees(name: str) -> None:
    with pytest.raises(FormatError, match="invisible characters") as caught:
        FileNames("the archive").add(name)
    assert str(caught.value).isprintable()


def test_add_takes_files_of_one_folder_and_the_folder_itself_as_often_as_it_comes() -> None:
    names = FileNames("the archive")
    assert [names.add(name, is_folder=True) for name in ("./", "a/", "a", "./a/b/")] == ["", "a", "a", "a/b"]
    assert [names.add(name) for name in ("a/c", "a/b/c", "b/c", "c")] == ["a/c", "a/b/c", "b/c", "c"]
    assert names.add("a", is_folder=True) == "a"


def test_length_counts_folders_that_are_only_part_of_a_name() -> None:
    names = FileNames("the archive")
    names.add("a/b/c")
    names.add("a/b/d")
    names.add("a", is_folder=True)
    assert len(names) == 4


def test_error_says_who_holds_the_name_and_what_to_do() -> None:
    names = FileNames("the manifest")
    names.add("a/Words")
    with pytest.raises(
        FormatError, match=r"the manifest has 'Words' and 'words' in one folder.*Fetch it again"
    ) as caught:
        names.add("a/words")
    assert caught.value.member == "a/words"


@given(st.text(max_size=40), st.text(max_size=40))
def test_names_that_are_taken_can_be_told_apart_by_every_disk(one: str, two: str) -> None:
    names = FileNames("the archive")
    try:
        taken = {names.add(one), names.add(two)}
    except FormatError:
        return
    for name in taken:
        assert name == "/".join(part for part in name.split("/") if part.strip(". "))
    assert len({name.casefold() for name in taken}) == 2
