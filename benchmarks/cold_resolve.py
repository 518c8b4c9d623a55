"""Fetching a model of 200 MB takes half of what tensorflow_hub takes, by blocks a third, and all who wait share it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measuring import Contender, Measurement, Setting, interleave, middle, ratios, run

TITLE = "Resolve, cold"
TELLING = "rehub by blocks / tensorflow_hub"
METHOD = (
    "A model of 200 MB (random numbers of half precision, stored as float32) from a hub in a process of its own on "
    "the same machine, into an empty cache: as an archive, from a hub that knows nothing else, and by blocks, from one "
    "that offers them. kagglehub and huggingface_hub fetch the same archive or files from a third process, which sends "
    "them like the hubs, and otherwise gives the shortest answers of Kaggle and Hugging Face: no MD5, which kagglehub "
    "would check, and nothing about xet, huggingface_hub's own protocol. kagglehub takes an archive only of a model of "
    "more than 25 files, and is told so of this one; by files, it is told the truth. rehub alone checks every length "
    "and hash, and waits until the files are on the disk; kagglehub and huggingface_hub check lengths. curl alone "
    "writes the same files, not compressed, by the URLs from which rehub takes the blocks. For several processes, the "
    "time from a moment at which all begin to the end of the last one."
)
_VARIABLES = "variables/variables.data-00000-of-00001"
_LEAD_S = 0.3

Run = Callable[[], Mapping[str, float]]


def measure(setting: Setting) -> list[Measurement]:
    size_bytes = 2_000_000 if setting.quick else 200_000_000
    models = setting.folder / "models"
    model = models / "acme/noise/1"
    run([sys.executable, "-m", "benchmarks.contenders.exporting", "noise", model, str(size_bytes)])
    with ExitStack() as stack:
        archive_hub, block_hub, other_hubs = (
            f"http://127.0.0.1:{stack.enter_context(hub).ask()['port']:.0f}"
            for hub in (
                Contender([sys.executable], "hub", models, "archives"),
                Contender([sys.executable], "hub", models),
                Contender([sys.executable], "other_hubs", model, setting.folder / "model.tar.gz"),
            )
        )
        archives, blocks = f"{archive_hub}/acme/noise/1", f"{block_hub}/acme/noise/1"
        rehub = stack.enter_context(Contender([sys.executable], "resolve", "rehub"))
        peer = stack.enter_context(Contender(setting.peer, "resolve", "tensorflow_hub"))
        plain = stack.enter_context(Contender([sys.executable], "resolve", "urllib + tarfile"))
        kaggle, huggingface = (
            stack.enter_context(Contender(setting.downloaders, "resolve", library, other_hubs))
            for library in ("kagglehub", "huggingface_hub")
        )
        contenders = {
            "rehub": _alone(setting.folder, rehub, archives),
            "rehub by blocks": _alone(setting.folder, rehub, blocks),
            "tensorflow_hub": _alone(setting.folder, peer, archives),
            "urllib + tarfile": _alone(setting.folder, plain, archives),
            "kagglehub": _alone(setting.folder, kaggle, "acme/noise/tensorFlow2/archive/1"),
            "kagglehub by files": _alone(setting.folder, kaggle, "acme/noise/tensorFlow2/files/1"),
            "huggingface_hub": _alone(setting.folder, huggingface, "acme/noise"),
        }
        if shutil.which("curl") and shutil.which("tar"):
            contenders["curl | tar xz"] = _in_shell(
                setting.folder, f"curl -sSfL '{archives}?tf-hub-format=compressed' | tar xz"
            )
            contenders["curl -o"] = _in_shell(
                setting.folder, f"curl -sSf '{blocks}?rehub-file={_VARIABLES}' -o variables"
            )
        interleave(contenders, 1)  # the hubs read and pack the model at the first request
        runs = interleave(contenders, setting.rounds_or(9))
        crowds = _crowds(setting, stack, blocks)
    found = [
        _ratio(runs, "rehub", "tensorflow_hub", 0.5),
        _ratio(runs, "rehub", "urllib + tarfile", 1 / 1.5),
        _ratio(runs, "rehub by blocks", "tensorflow_hub", 1 / 3),
        _ratio(runs, "rehub", "kagglehub", 1),
        _ratio(runs, "rehub by blocks", "kagglehub by files", None),
        _ratio(runs, "rehub by blocks", "huggingface_hub", 1),
    ]
    if "curl -o" in runs:
        found.append(_ratio(runs, "rehub", "curl | tar xz", 1))
        found.append(_ratio(runs, "rehub by blocks", "curl -o", 1 / 0.7))
    peaks = [round["peak_mb"] for round in runs["rehub by blocks"]]
    return [*found, *crowds, Measurement("peak memory of the process, after both", peaks, "MB", limit=100)]


def _ratio(runs: Mapping[str, list[dict[str, float]]], ours: str, theirs: str, limit: float | None) -> Measurement:
    seconds = f"{middle(runs[ours], 'seconds'):.2f} s, {middle(runs[theirs], 'seconds'):.2f} s"
    return Measurement(f"{ours} / {theirs}", ratios(runs[ours], runs[theirs], "seconds"), limit=limit, detail=seconds)


def _crowds(setting: Setting, stack: ExitStack, handle: str) -> list[Measurement]:
    """Several processes on one handle and one empty cache."""
    sizes = (2, 3) if setting.quick else (8, 32)
    processes = [stack.enter_context(Contender([sys.executable], "resolve", "rehub")) for _ in range(max(sizes))]
    contenders: dict[str, Run] = {
        str(size): functools.partial(_together, setting.folder, processes[:size], handle) for size in (1, *sizes)
    }
    for process in processes:
        _alone(setting.folder, process, handle)()  # each may be the one that downloads: all have their imports done
    runs = interleave(contenders, setting.rounds_or(9))
    return [
        Measurement(
            f"{size} processes / one",
            ratios(runs[str(size)], runs["1"], "seconds"),
            limit=1.2,
            detail=f"{middle(runs[str(size)], 'seconds'):.2f} s, {middle(runs['1'], 'seconds'):.2f} s",
        )
        for size in sizes
    ]


def _together(folder: Path, processes: list[Contender], handle: str) -> Mapping[str, float]:
    def resolve(cache: str) -> Mapping[str, float]:
        at = time.time() + _LEAD_S
        with ThreadPoolExecutor(len(processes)) as pool:
            done = list(pool.map(lambda process: process.ask(handle=handle, cache=cache, calls=1, at=at), processes))
        return {"seconds": max(each["seconds"] for each in done)}

    return _into_empty_cache(folder, resolve)


def _alone(folder: Path, process: Contender, handle: str) -> Run:
    return functools.partial(_into_empty_cache, folder, functools.partial(process.ask, handle=handle, calls=1))


def _in_shell(folder: Path, command: str) -> Run:
    def resolve(cache: str) -> Mapping[str, float]:
        start = time.perf_counter()
        subprocess.run(["sh", "-c", command], cwd=cache, check=True)
        return {"seconds": time.perf_counter() - start}

    return functools.partial(_into_empty_cache, folder, resolve)


def _into_empty_cache(folder: Path, resolve: Callable[..., Mapping[str, float]]) -> Mapping[str, float]:
    cache = folder / uuid.uuid4().hex
    cache.mkdir()
    os.sync()  # else one contender waits for what another has written
    try:
        return resolve(cache=str(cache))
    finally:
        shutil.rmtree(cache)
