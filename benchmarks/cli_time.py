"""The command line is there at once: ``rehub --version``, ``--help`` and ``cache list`` take at most 150 ms."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measuring import Measurement, Setting, interleave, run
from rehub.configuration import Settings
from rehub.resolvers.chain import resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport

TITLE = "Command line"
TELLING = "rehub --help"
METHOD = "Whole runs of `python -m rehub …` with a cache of 50 models, and of `python -c pass` beside them."
_MODELS = 50


def measure(setting: Setting) -> list[Measurement]:
    cache = setting.folder / "cache"
    _fill(cache)
    commands = {"--version": ("--version",), "--help": ("--help",), "cache list": ("cache", "list")}
    contenders = {
        name: functools.partial(_time, [sys.executable, "-m", "rehub", *arguments], cache)
        for name, arguments in commands.items()
    }
    contenders["bare"] = functools.partial(_time, [sys.executable, "-c", "pass"], cache)
    interleave(contenders, 1)  # compiles bytecode, fills the cache of the disk
    runs = interleave(contenders, setting.rounds_or(9))
    bare = Measurement("", [result["ms"] for result in runs["bare"]])
    return [
        Measurement(
            f"rehub {name}",
            [result["ms"] for result in runs[name]],
            "ms",
            limit=150,
            detail=f"bare Python {bare.median:.0f} ms",
        )
        for name in commands
    ]


def _fill(cache: Path) -> None:
    from tests import sample

    archive = MemoryResponse(sample.archive())
    settings = Settings(cache_dir=str(cache), show_progress=False)
    for number in range(_MODELS):
        url = f"https://hub.test/acme/net-{number}/1"
        resolve_with(url, settings, MemoryTransport({f"{url}?tf-hub-format=compressed": archive}))


def _time(command: list[str], cache: Path) -> Mapping[str, float]:
    start = time.perf_counter()
    run(command, TFHUB_CACHE_DIR=str(cache))
    return {"ms": (time.perf_counter() - start) * 1000}
