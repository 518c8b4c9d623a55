"""Forms as browsers send them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehub.server.bodies import BodyError
from rehub.server.forms import read_form

KIND = "multipart/form-data; boundary=xyz"


def form(**values: bytes) -> bytes:
    parts = (
        b'--xyz\r\nContent-Disposition: form-data; name="%s"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n%s\r\n'
        % (name.encode(), value)
        for name, value in values.items()
    )
    return b"".join(parts) + b"--xyz--\r\n"


@given(st.binary(), st.binary())
def test_read_form_returns_what_was_sent(picture: bytes, texts: bytes) -> None:
    assert read_form(KIND, form(picture=picture, texts=texts)) == {"picture": picture, "texts": texts}


def test_read_form_takes_the_first_of_two_values() -> None:
    assert read_form(KIND, form(a=b"1")[:-9] + form(a=b"2"))["a"] == b"1"


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "multipart/mixed; boundary=xyz", "\r\n:"])
def test_read_form_refuses_what_is_none(kind: str) -> None:
    with pytest.raises(BodyError) as error:
        read_form(kind, form(a=b"1"))
    assert error.value.status == 415


MANY = form(**{f"a{number}": b"" for number in range(20)})


@pytest.mark.parametrize("body", [b"", b"--xyz", form(a=b"1")[:-6], MANY])
def test_read_form_refuses_what_is_damaged(body: bytes) -> None:
    with pytest.raises(BodyError) as error:
        read_form(KIND, body)
    assert error.value.status == 400


@given(st.text(max_size=40), st.binary())
def test_read_form_raises_nothing_else(kind: str, body: bytes) -> None:
    for each in (kind, KIND):
        with contextlib.suppress(BodyError):
            read_form(each, body)
