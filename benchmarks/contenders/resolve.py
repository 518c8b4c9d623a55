"""Resolves a handle, by the library named in the arguments: ``rehub``, ``tensorflow_hub`` or ``urllib + tarfile``."""

from __future__ import annotations

import importlib
import os
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Mapping

from benchmarks.contenders.answering import answer


def _download_and_extract(handle: str) -> str:
    """What a program without any library would do, in one pass."""
    folder = os.environ["TFHUB_CACHE_DIR"]
    with (
        urllib.request.urlopen(f"{handle}?tf-hub-format=compressed") as response,
        tarfile.open(fileobj=response, mode="r|gz") as archive,
    ):
        archive.extractall(folder, filter="data")
    return folder


_name = sys.argv[1]
_resolve: Callable[[str], str] = (
    _download_and_extract if _name == "urllib + tarfile" else importlib.import_module(_name).resolve
)


def _measure(handle: str, cache: str, calls: int) -> Mapping[str, float]:
    os.environ["TFHUB_CACHE_DIR"] = cache
    start = time.perf_counter()
    for _ in range(calls):
        folder = _resolve(handle)
    seconds = (time.perf_counter() - start) / calls
    assert os.path.exists(os.path.join(folder, "saved_model.pb"))  # noqa: PTH110, PTH118 - a string, as resolve gives it
    return {"seconds": seconds}


answer(_measure)
