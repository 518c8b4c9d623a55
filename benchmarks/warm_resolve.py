"""Resolving a handle that the cache holds takes at most 60 µs, and 1 ms the first time in a process."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measuring import ROOT, Contender, Measurement, Setting, interleave, middle, ratios, run

TITLE = "Resolve, warm"
TELLING = "each of many calls"
METHOD = (
    "A model of three files, once fetched from a hub that is gone then. In one process, the mean of many calls; in a "
    "fresh process, the import and the first call. A hit is a model whose files are all there, each of its size; for "
    "tensorflow_hub, a folder that is there."
)
_MODEL = ROOT / "tests/data/models/half_plus_two"


def measure(setting: Setting) -> list[Measurement]:
    pythons = {"rehub": [sys.executable], "tensorflow_hub": setting.peer}
    caches = {name: str(setting.folder / name) for name in pythons}
    shutil.copytree(_MODEL, setting.folder / "models/acme/half_plus_two/1")
    with ExitStack() as stack:
        processes = {name: stack.enter_context(Contender(pythons[name], "resolve", name)) for name in pythons}
        with Contender(pythons["rehub"], "hub", setting.folder / "models") as hub:
            handle = f"http://127.0.0.1:{hub.ask()['port']:.0f}/acme/half_plus_two/1"
            for name, process in processes.items():
                process.ask(handle=handle, cache=caches[name], calls=1)
        calls = 100 if setting.quick else 2000
        many = interleave(
            {
                name: functools.partial(process.ask, handle=handle, cache=caches[name], calls=calls)
                for name, process in processes.items()
            },
            setting.rounds_or(15),
        )
    first = interleave(
        {name: functools.partial(_first, pythons[name], name, handle, Path(caches[name])) for name in pythons},
        setting.rounds_or(7),
    )
    return [
        Measurement("each of many calls", [run["seconds"] * 1e6 for run in many["rehub"]], "µs", limit=60),
        Measurement(
            "each of many calls, rehub / tensorflow_hub",
            ratios(many["rehub"], many["tensorflow_hub"], "seconds"),
            limit=1,
            detail=_both(many, "seconds", 1e6, "µs"),
        ),
        Measurement(
            "first call of a process, after the import",
            [run["call"] * 1e3 for run in first["rehub"]],
            "ms",
            limit=1,
            detail=_both(first, "call", 1e3, "ms"),
        ),
        Measurement(
            "import and first call in a fresh process, rehub / tensorflow_hub",
            ratios(first["rehub"], first["tensorflow_hub"], "both"),
            limit=1,
            detail=_both(first, "both", 1e3, "ms"),
        ),
    ]


def _first(python: list[str], library: str, handle: str, cache: Path) -> Mapping[str, float]:
    done = run([*python, "-m", "benchmarks.contenders.first_resolve", library, handle], TFHUB_CACHE_DIR=str(cache))
    imported, called = map(float, done.split())
    return {"both": imported + called, "call": called}


def _both(results: dict[str, list[dict[str, float]]], field: str, factor: float, unit: str) -> str:
    return ", ".join(f"{name} {middle(runs, field) * factor:.4g} {unit}" for name, runs in results.items())
