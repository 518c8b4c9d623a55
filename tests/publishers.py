"""Publishers and readers that go to a hub, as users do."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import rehub
from rehub.publish.push import Pushed, push
from rehub.server.gc import collect
from rehub.server.library import Library
from rehub.storage.interface import ObjectStore
from tests import sample
from tests.server.publishing import LATER

_T = TypeVar("_T")


def model(folder: Path, words: bytes, weights: bytes = b"") -> Path:
    """Writes a model that differs from others in one file."""
    files = {**sample.FILES, "assets/words.txt": words, **({"weights": weights} if weights else {})}
    return sample.write(folder, files)


def push_to(url: str, token: str, folder: Path, name: str, version: int | None = None, **settings: Any) -> Pushed:
    with rehub.settings(token=token, token_host=url, show_progress=False, **settings):
        return push(folder, name, to=url, version=version)


def read_from(handle: str, cache: Path) -> dict[str, bytes]:
    """Resolves a handle, and returns the files."""
    with rehub.settings(cache_dir=str(cache), show_progress=False):
        return sample.read(rehub.resolve(handle))


def at_once(works: Sequence[Callable[[], _T]]) -> list[_T | Exception]:
    """Begins all in the same moment, and returns what they return or raise, in their order."""
    barrier = Barrier(len(works))

    def do(work: Callable[[], _T]) -> _T | Exception:
        barrier.wait()
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - the tests look at it
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(do, works))


def ask(url: str, target: str, headers: Mapping[str, str] | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Sends one GET, and follows no redirect."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        connection.request("GET", target, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def said(answer: tuple[int, http.client.HTTPMessage, bytes]) -> Any:
    """Reads the JSON of an answer."""
    assert answer[1]["Content-Type"] == "application/json"
    return json.loads(answer[2])


def keys_of(store: ObjectStore, name: str) -> set[str]:
    """Returns all keys that have to do with a model, also of uploads."""
    return {info.key for prefix in (f"{name}/", f"_rehub/uploads/{name}/") for info in store.list(prefix)}


def clear_away(store: ObjectStore) -> None:
    """Deletes all that belongs to no version."""
    collect(Library(store), now=LATER)
