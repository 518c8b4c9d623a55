"""Tokens: what they are for, how long, and that nobody can read them in the store."""

from __future__ import annotations

import datetime
import re

import pytest

from rehub.errors import FormatError, NotFoundError, PublishError
from rehub.server.tokens import Tokens
from rehub.storage.bucket import BucketStore
from tests.server.publishing import keys

NOW = datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture
def store() -> BucketStore:
    return BucketStore("memory://")


@pytest.fixture
def tokens(store: BucketStore) -> Tokens:
    return Tokens(store)


def test_token_is_for_its_publishers(tokens: Tokens) -> None:
    token = tokens.check(tokens.create("ci", ["acme", "other"]))

    assert token is not None
    assert token.name == "ci"
    assert [token.may_publish(name) for name in ("acme", "other", "acm", "acme2", "*", "")] == [True, True] + [
        False
    ] * 4
    assert token.may_read("acme")
    assert not token.may_read("rival")


def test_token_may_be_for_all_publishers(tokens: Tokens) -> None:
    token = tokens.check(tokens.create("root", None))

    assert token is not None
    assert token.publishers is None
    assert token.may_publish("anybody")


def test_token_may_be_for_reading_alone(tokens: Tokens) -> None:
    token = tokens.check(tokens.create("notebooks", ["acme"], can_publish=False))

    assert token is not None
    assert token.may_read("acme")
    assert not token.may_publish("acme")


def test_tokens_are_long_and_never_the_same(tokens: Tokens) -> None:
    made = [tokens.create(str(number), None) for number in range(5)]

    assert len(set(made)) == 5
    assert all(re.fullmatch("rehub_[a-z2-7]{52}", token) for token in made)


def test_store_has_the_hash_of_a_token_alone(tokens: Tokens, store: BucketStore) -> None:
    token = tokens.create("ci", None)

    (key,) = keys(store)
    assert token not in key + store.read(key).decode()
    assert token.removeprefix("rehub_") not in key + store.read(key).decode()


@pytest.mark.parametrize(
    "change", [str.upper, lambda t: t[:-1], lambda t: t + "a", lambda t: f" {t}", lambda t: "", lambda t: "../" + t]
)
def test_check_refuses_what_is_no_token(tokens: Tokens, change: object) -> None:
    token = tokens.create("ci", None)

    assert tokens.check(change(token)) is None  # type: ignore[operator]


def test_check_refuses_the_hash_of_a_token(tokens: Tokens, store: BucketStore) -> None:
    tokens.create("ci", None)
    (key,) = keys(store)

    assert tokens.check(key.rpartition("/")[2].removesuffix(".json")) is None


def test_token_ends_when_it_expires(tokens: Tokens) -> None:
    token = tokens.create("ci", None, expires=NOW + datetime.timedelta(days=90))

    assert tokens.check(token, now=NOW + datetime.timedelta(days=89)) is not None
    assert tokens.check(token, now=NOW + datetime.timedelta(days=91)) is None


@pytest.mark.parametrize("by", ["name", "id"])
def test_token_ends_when_it_is_revoked(tokens: Tokens, store: BucketStore, by: str) -> None:
    token, other = tokens.create("ci", None), tokens.create("other", None)
    found = tokens.check(token)
    assert found is not None

    tokens.revoke(getattr(found, by))

    assert tokens.check(token) is None
    assert Tokens(store).check(token) is None
    assert tokens.check(other) is not None
    assert [left.name for left in tokens.all()] == ["other"]


def test_revoke_fails_when_there_is_no_such_token(tokens: Tokens) -> None:
    with pytest.raises(NotFoundError, match="no token 'ci'"):
        tokens.revoke("ci")


def test_all_tokens_are_listed_by_name(tokens: Tokens) -> None:
    tokens.create("b", ["acme"])
    tokens.create("a", None, can_publish=False, expires=NOW)

    first, second = tokens.all()
    assert (first.name, first.publishers, first.can_publish, first.is_over(NOW)) == ("a", None, False, True)
    assert (second.name, second.publishers, second.can_publish) == ("b", {"acme"}, True)


@pytest.mark.parametrize(
    ("name", "publishers"),
    [
        ("", None),
        ("  ", None),
        ("a\nb", None),
        ("x" * 101, None),
        ("ok", []),
        ("ok", ["Acme"]),
        ("ok", ["*"]),
        ("taken", None),
    ],
)
def test_create_refuses_a_name_or_publisher_that_is_none(
    tokens: Tokens, store: BucketStore, name: str, publishers: list[str] | None
) -> None:
    tokens.create("taken", None)

    with pytest.raises(PublishError):
        tokens.create(name, publishers)
    assert len(keys(store)) == 1


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"name": "x", "publishers": 7, "can_publish": true, "created": ""}']
)
def test_check_fails_when_what_is_stored_is_damaged(tokens: Tokens, store: BucketStore, data: bytes) -> None:
    token = tokens.create("ci", None)
    (key,) = keys(store)
    store.put(key, data)

    with pytest.raises(FormatError, match="is damaged"):
        tokens.check(token)
