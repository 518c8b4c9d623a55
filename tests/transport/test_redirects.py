from __future__ import annotations

import pytest

from rehub.errors import OfflineError, TransferError
from rehub.transport.memory import MemoryResponse, MemoryTransport


def to(location: str, status: int = 302) -> MemoryResponse:
    return MemoryResponse(status=status, headers={"location": location})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_get_follows_a_redirect(status: int) -> None:
    transport = MemoryTransport({"https://a/m": to("/n#part", status), "https://a/n": MemoryResponse(b"x")})
    with transport.get("https://a/m") as response:
        assert (response.url, b"".join(response.chunks())) == ("https://a/n", b"x")


def test_get_shows_where_a_redirect_leads_when_it_shall_not_follow() -> None:
    transport = MemoryTransport({"https://a/m": to("../n")})
    with transport.get("https://a/m", follow=False) as response:
        assert (response.status, response.redirect) == (302, "https://a/n")
    assert len(transport.requests) == 1


@pytest.mark.parametrize("status", [200, 300, 304])
def test_get_takes_other_statuses_for_no_redirect(status: int) -> None:
    with MemoryTransport({"https://a/m": to("/n", status)}).get("https://a/m") as response:
        assert (response.status, response.redirect) == (status, None)


def test_get_stops_when_redirects_go_in_a_circle() -> None:
    transport = MemoryTransport({"https://a/m": to("/n"), "https://a/n": to("/m")})
    with pytest.raises(TransferError, match="circle"), transport.get("https://a/m"):
        pass
    assert len(transport.requests) == 2


def test_get_stops_when_there_are_too_many_redirects() -> None:
    transport = MemoryTransport({f"https://a/{i}": to(f"/{i + 1}") for i in range(50)})
    with pytest.raises(TransferError, match="more than 10"), transport.get("https://a/0"):
        pass
    assert len(transport.requests) == 11


def test_get_refuses_to_leave_encryption() -> None:
    transport = MemoryTransport({"https://a/m": to("http://a/m"), "http://a/m": MemoryResponse(b"x")})
    with pytest.raises(TransferError, match="not encrypted"), transport.get("https://a/m"):
        pass
    assert [url for url, _ in transport.requests] == ["https://a/m"]


@pytest.mark.parametrize(
    "location",
    [
        *("file:///etc/passwd", "gs://bucket/m", "ftp://a/m", "https:///m"),
        *("http://[bad", "https://h:99999/x", "https://h:abc/x", "//[", "https://a\\@b/m"),
    ],
)
def test_get_refuses_a_redirect_out_of_the_web(location: str) -> None:
    with pytest.raises(TransferError), MemoryTransport({"https://a/m": to(location)}).get("https://a/m"):
        pass


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://me:s3cret@b/m", "https://…@b/m"),
        ("//me:s3cret@b/@m", "https://…@b/@m"),
        ("http://b/@m", "http://b/@m"),
    ],
)
def test_get_shows_no_login_of_a_redirect(location: str, shown: str) -> None:
    with pytest.raises(TransferError) as caught, MemoryTransport({"https://a/m": to(location)}).get("https://a/m"):
        pass
    assert shown in caught.value.message
    assert "s3cret" not in f"{caught.value} {vars(caught.value)}"


@pytest.mark.parametrize(
    ("url", "is_told"), [("https://a:443/n", True), ("https://a:444/n", False), ("https://b/n", False), ("/n", True)]
)
def test_get_tells_secrets_to_the_same_origin_only(url: str, *, is_told: bool) -> None:
    target = url if "://" in url else f"https://a{url}"
    transport = MemoryTransport({"https://a/m": to(url), target: MemoryResponse(b"x")})
    with transport.get("https://a/m", {"Authorization": "secret"}):
        pass
    assert ("Authorization" in transport.requests[1][1]) is is_told


def test_get_is_out_of_reach_when_the_table_has_no_answer() -> None:
    with pytest.raises(OfflineError), MemoryTransport({}).get("https://a/m"):
        pass
