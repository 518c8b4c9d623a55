"""Resolves a handle, by what the arguments name: ``resolve.py LIBRARY [SERVER]``.

The library is ``rehub``, ``tensorflow_hub`` or ``urllib + tarfile``; with a server, which their handles do not name,
it is ``kagglehub`` or ``huggingface_hub``.
"""

from __future__ import annotations

import importlib
import os
import resource
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


def _resolver(library: str, *server: str) -> Callable[[str], str]:
    if library == "urllib + tarfile":
        return _download_and_extract
    if server:
        from benchmarks.contenders import downloaders

        return getattr(downloaders, library)(*server)
    return importlib.import_module(library).resolve


_resolve = _resolver(*sys.argv[1:])


def _measure(handle: str, cache: str, calls: int, at: float = 0.0) -> Mapping[str, float]:
    """Resolves; all processes that are given a time begin ``at`` it, in seconds since 1970."""
    os.environ["TFHUB_CACHE_DIR"] = cache
    while time.time() < at:
        time.sleep(0.0005)
    start = time.perf_counter()
    for _ in range(calls):
        folder = _resolve(handle)
    seconds = (time.perf_counter() - start) / calls
    assert os.path.exists(os.path.join(folder, "saved_model.pb"))  # noqa: PTH110, PTH118 - a string, as resolve gives it
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


answer(_measure)
