"""Fetching a model of 200 MB is no slower than with tensorflow_hub, urllib and tarfile, or curl and tar."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measuring import Contender, Measurement, Setting, interleave, middle, ratios, run

TITLE = "Resolve, cold"
METHOD = (
    "A model of 200 MB (random numbers of half precision, stored as float32) from a hub in a process of its own on "
    "the same machine, into an empty cache. rehub alone checks every length and hash, and waits until the files are "
    "on the disk."
)


def measure(setting: Setting) -> list[Measurement]:
    size_bytes = 2_000_000 if setting.quick else 200_000_000
    model = setting.folder / "models/acme/noise/1"
    run([sys.executable, "-m", "benchmarks.contenders.exporting", "noise", model, str(size_bytes)])
    with ExitStack() as stack:
        hub = stack.enter_context(Contender([sys.executable], "hub", setting.folder / "models"))
        handle = f"http://127.0.0.1:{hub.ask()['port']:.0f}/acme/noise/1"
        contenders: dict[str, Callable[[], Mapping[str, float]]] = {
            name: functools.partial(
                _into_empty_cache,
                setting.folder,
                functools.partial(stack.enter_context(Contender(python, "resolve", name)).ask, handle=handle, calls=1),
            )
            for name, python in (
                ("rehub", [sys.executable]),
                ("tensorflow_hub", setting.peer),
                ("urllib + tarfile", [sys.executable]),
            )
        }
        if shutil.which("curl") and shutil.which("tar"):
            contenders["curl | tar xz"] = functools.partial(
                _into_empty_cache, setting.folder, functools.partial(_curl, handle)
            )
        interleave(contenders, 1)  # the hub packs the archive at the first request
        runs = interleave(contenders, setting.rounds_or(7))
    return [
        Measurement(
            f"rehub / {name}",
            ratios(runs["rehub"], runs[name], "seconds"),
            limit=1,
            detail=f"{middle(runs['rehub'], 'seconds'):.2f} s, {middle(runs[name], 'seconds'):.2f} s",
        )
        for name in runs
        if name != "rehub"
    ]


def _into_empty_cache(folder: Path, resolve: Callable[..., Mapping[str, float]]) -> Mapping[str, float]:
    cache = folder / uuid.uuid4().hex
    cache.mkdir()
    os.sync()  # else one contender waits for what another has written
    try:
        return resolve(cache=str(cache))
    finally:
        shutil.rmtree(cache)


def _curl(handle: str, cache: str) -> Mapping[str, float]:
    start = time.perf_counter()
    subprocess.run(["sh", "-c", f"curl -sSfL '{handle}?tf-hub-format=compressed' | tar xz"], cwd=cache, check=True)
    return {"seconds": time.perf_counter() - start}
