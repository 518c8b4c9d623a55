from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rehub.cli.columns import lay_out

ROWS = [("HANDLE", "SIZE"), ("https://hub/acme/a-model-with-a-long-name/1", "1.2 MB")]


def test_columns_are_as_wide_as_it_takes_when_nothing_limits_them() -> None:
    assert lay_out(ROWS, None, right=(1,)) == [
        ["HANDLE" + " " * 42 + "SIZE"],
        ["https://hub/acme/a-model-with-a-long-name/1   1.2 MB"],
    ]


def test_long_cells_go_on_in_the_next_line_when_the_width_is_limited() -> None:
    assert lay_out(ROWS, 40, right=(1,))[1] == [
        "https://hub/acme/                 1.2 MB",
        "a-model-with-a-long-name/1",
    ]


def test_words_that_are_too_long_are_broken_anywhere() -> None:
    assert lay_out([("x", "0123456789abcdef")], 14) == [["x   0123456789", "    abcdef"]]


def test_sentences_are_broken_between_words() -> None:
    assert lay_out([("state", "some words to be broken")], 22) == [["state   some words to", "        be broken"]]


@given(
    st.lists(st.tuples(*[st.text("abc/-", max_size=60)] * 3), min_size=1, max_size=4),
    st.one_of(st.none(), st.integers(50, 120)),
)
def test_nothing_is_cut_off_and_everything_fits(rows: list[tuple[str, ...]], width: int | None) -> None:
    laid_out = lay_out(rows, width)

    for row, lines in zip(rows, laid_out, strict=True):
        assert sorted("".join(lines).replace(" ", "")) == sorted("".join(row))
        assert width is None or all(len(line) <= width for line in lines)
