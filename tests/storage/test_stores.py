"""What every store does: whoever writes another one adds it to the fixture."""

from __future__ import annotations

import datetime
import random
import threading
from collections.abc import Iterator

import pytest

from rehub.errors import NotFoundError, StoreError
from rehub.storage.interface import KEY_LIMIT_BYTES, ObjectStore

LARGE = random.Random(0).randbytes((9 << 20) + 17)  # of several parts
PIECE_LIMIT_BYTES = 4 << 20
ODD = ("a/%41 b", "a/x#y?z", "a/~[{*}]", "a/é/\u0301", "a/..x", "a/.h", "a/x.", "a/" + "ü" * 100)


def keys(store: ObjectStore, prefix: str = "") -> set[str]:
    """Returns the keys of all objects, without the store's own."""
    return {info.key for info in store.list(prefix) if not info.key.startswith("_rehub/")}


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["nothing", "little", "much"])
def test_write_makes_an_object_of_any_size(store: ObjectStore, data: bytes) -> None:
    store.write("a/b", pieces(data, 3_000_000))

    assert store.read("a/b") == data
    info = store.info("a/b")
    assert info is not None
    assert (info.key, info.size_bytes) == ("a/b", len(data))


@pytest.mark.parametrize("key", ODD)
def test_put_takes_any_key(store: ObjectStore, key: str) -> None:
    store.put(key, key.encode())

    assert store.read(key) == key.encode()
    assert keys(store) == {key}


def test_put_replaces_an_object(store: ObjectStore) -> None:
    store.put("a", b"old")
    before = store.info("a")
    store.put("a", b"new")
    after = store.info("a")

    assert store.read("a") == b"new"
    assert before is not None
    assert after is not None
    assert before.etag != after.etag


def test_info_tells_when_an_object_was_written(store: ObjectStore) -> None:
    store.put("a", b"")

    info = store.info("a")
    assert info is not None
    age = datetime.datetime.now(datetime.timezone.utc) - info.modified
    assert abs(age) < datetime.timedelta(minutes=5)


def test_create_makes_an_object_once(store: ObjectStore) -> None:
    assert store.create("a/b", b"first") is True
    assert store.create("a/b", b"second") is False
    assert store.read("a/b") == b"first"


def test_create_succeeds_for_one_of_many_at_a_time(store: ObjectStore) -> None:
    results: dict[int, bool] = {}
    barrier = threading.Barrier(12)

    def create(number: int) -> None:
        barrier.wait()
        results[number] = store.create("a/b", str(number).encode())

    threads = [threading.Thread(target=create, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results.values()) == [False] * 11 + [True]
    assert results[int(store.read("a/b"))]


def test_create_makes_what_was_deleted(store: ObjectStore) -> None:
    store.create("a/b", b"first")
    store.delete("a/b")

    assert store.create("a/b", b"second") is True


@pytest.mark.parametrize("size", [10, 3_000_000], ids=["little", "much"])
@pytest.mark.parametrize("before", [None, b"before"])
def test_write_leaves_the_store_as_it_was_when_chunks_fail(store: ObjectStore, before: bytes | None, size: int) -> None:
    if before is not None:
        store.put("a", before)
    found = {info.key for info in store.list("")}

    def chunks() -> Iterator[bytes]:
        for _ in range(7):
            yield bytes(size)
        raise LookupError("no more")

    with pytest.raises(LookupError):
        store.write("a", chunks())

    assert {info.key for info in store.list("")} == found
    assert (store.read("a") if before is not None else None) == before


@pytest.mark.parametrize(
    ("start", "length"), [(0, None), (5, None), (len(LARGE), None), (0, 0), (3, 4), ((4 << 20) - 1, (4 << 20) + 2)]
)
def test_stream_gives_a_part_in_pieces(store: ObjectStore, start: int, length: int | None) -> None:
    store.write("a", [LARGE])

    found = list(store.stream("a", start, length))

    assert b"".join(found) == LARGE[start : None if length is None else start + length]
    assert max(map(len, found), default=0) <= PIECE_LIMIT_BYTES


def test_stream_fails_when_the_object_ends_before_the_part(store: ObjectStore) -> None:
    store.put("a", b"12345")

    with pytest.raises(StoreError, match="byte 5, before byte 6"):
        list(store.stream("a", 2, 4))


def test_reading_fails_when_there_is_no_object(store: ObjectStore) -> None:
    store.put("a/b", b"")

    for key in ("a", "a/c", "a/b/c"):
        assert store.info(key) is None
        with pytest.raises(NotFoundError, match=f"no '{key}'"):
            store.read(key)
        with pytest.raises(NotFoundError, match=f"no '{key}'"):
            next(store.stream(key))


def test_delete_takes_an_object_away(store: ObjectStore) -> None:
    store.put("a/b/c", b"")
    store.put("a/d", b"")

    store.delete("a/b/c")
    store.delete("a/b/c")
    store.delete("nothing/there")
    store.delete("a")

    assert keys(store) == {"a/d"}
    assert keys(store, "a/b/") == set()


def test_list_gives_all_below_a_prefix(store: ObjectStore) -> None:
    for key in ("a/b/c", "a/b/d/e", "a/bc/d", "f"):
        store.put(key, b"1")

    assert keys(store) == {"a/b/c", "a/b/d/e", "a/bc/d", "f"}
    assert keys(store, "a/b/") == {"a/b/c", "a/b/d/e"}
    assert keys(store, "a/") == {"a/b/c", "a/b/d/e", "a/bc/d"}
    assert keys(store, "f/") == keys(store, "no/such/") == set()
    assert {info.size_bytes for info in store.list("a/")} == {1}


def test_folders_are_one_level_below_a_prefix(store: ObjectStore) -> None:
    for key in ("a/c/x", "a/b/c/y", "a/z", "d/e"):
        store.put(key, b"")

    assert [name for name in store.folders("") if name != "_rehub"] == ["a", "d"]
    assert store.folders("a/") == ("b", "c")
    assert store.folders("a/z/") == store.folders("no/") == ()


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\\b", "a\nb", "a\0b", "\udc80"),
        "a" * (KEY_LIMIT_BYTES + 1),
    ],
    ids=ascii,
)
def test_keys_that_lead_elsewhere_are_refused(store: ObjectStore, key: str) -> None:
    calls = (
        lambda: store.read(key),
        lambda: list(store.stream(key)),
        lambda: store.info(key),
        lambda: store.put(key, b""),
        lambda: store.create(key, b""),
        lambda: store.write(key, [b""]),
        lambda: store.delete(key),
    )
    for call in calls:
        with pytest.raises(StoreError, match="no key"):
            call()
    assert keys(store) == set()


@pytest.mark.parametrize("prefix", ["/", "a", "../", "a/../", "a//"])
def test_prefixes_that_lead_elsewhere_are_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(StoreError):
        list(store.list(prefix))
    with pytest.raises(StoreError):
        store.folders(prefix)


def test_objects_are_made_and_deleted_by_many_at_a_time(store: ObjectStore) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                key = f"a/b/{number % 2}/{turn % 3}/x{number}"
                store.put(key, b"x")
                store.delete(key)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert keys(store) == set()


def test_write_takes_chunks_that_come_from_the_same_store(store: ObjectStore) -> None:
    content = bytes(range(256)) * (20 << 12)
    store.write("a", [content])

    store.write("b", store.stream("a"))

    assert store.read("b") == content
