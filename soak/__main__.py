"""Loads, kills, cleans and fills one cache folder for a while, and says what came of it.

Usage: ``python -m soak [--seconds N]``. It ends with 1 if a load gave wrong contents, raised anything but a `HubError`
or waited for a dead process, or if files are left that belong to no model.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import rehub
from rehub.cache import inventory, layout
from soak import hubs, workers
from tests.misbehaving import MisbehavingServer

_SECONDS = 600.0
_LOADERS, _CLEANERS, _FILLERS = 12, 2, 2
_KILL_S = 0.2  # on average between two


def main() -> int:
    """Runs it, and returns 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="how long (%(default)s)")
    seconds = parser.parse_args().seconds
    hub = hubs.MoodyHub(random.randrange(1 << 30))
    with tempfile.TemporaryDirectory(prefix="rehub-soak-") as folder, MisbehavingServer(hub) as server:
        cache, diary = Path(folder, "cache"), Path(folder, "diary")
        kills = _soak(server.url, cache, diary, seconds)
        lines = diary.read_text().splitlines()
        counts = collections.Counter(line.partition(" ")[0] for line in lines)
        print(f"{seconds:.0f} s: {kills} kills, " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
        hub.is_good = True
        wrong = [line for line in lines if line.split(" ")[0].isupper()]
        wrong.extend(_leaks(server.url, cache))
        for line in wrong[:20]:
            print(line)
        return 1 if wrong or not counts["whole"] else 0


def _soak(url: str, cache: Path, diary: Path, seconds: float) -> int:
    """Runs the processes, kills them again and again, and returns how often."""
    roles: list[Callable[..., None]] = [
        *(_LOADERS * [workers.load]),
        *(_CLEANERS * [workers.clean]),
        *(_FILLERS * [workers.remove_some]),
    ]
    seeds = itertools.count(random.randrange(1 << 30))

    def start(role: Callable[..., None]) -> BaseProcess:
        process = workers.CONTEXT.Process(target=role, args=(url, cache, diary, next(seeds)), daemon=True)
        process.start()
        return process

    processes = [start(role) for role in roles]
    until, kills = time.monotonic() + seconds, 0
    try:
        while time.monotonic() < until:
            time.sleep(random.uniform(0, 2 * _KILL_S))
            number = random.randrange(len(roles))
            if not processes[number].is_alive():
                workers.Diary(diary).note("DIED", f"{roles[number].__name__} with {processes[number].exitcode}")
            processes[number].kill()
            processes[number].join()
            processes[number] = start(roles[number])
            kills += 1
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
    return kills


def _leaks(url: str, cache: Path) -> Iterator[str]:
    """Loads every model once more, from hubs that are good now, and looks for files that belong to none."""
    with rehub.settings(cache_dir=str(cache), lock_timeout_s=0, show_progress=False, unversioned_ttl_s=0):
        for path in hubs.PATHS:
            what, more = workers.check(Path(rehub.resolve(url + path)), path)
            if what != "whole":
                yield f"not whole at the end: {more}"
    contents = inventory.take(cache)
    for leftover in contents.leftovers:
        yield f"left in staging: {leftover.path.name}, {leftover.size_bytes} bytes"
    for entry in contents.entries:
        if entry.record is None or entry.damages:
            yield f"left without use: {entry.folder} {entry.damages}"
            continue
        names = {path.relative_to(entry.folder).as_posix() for path in entry.folder.rglob("*") if path.is_file()}
        yield from (f"left in a model: {entry.folder / name}" for name in names - entry.record.files.keys())
    keys = {layout.key(path) for path in contents.pointers} | {
        layout.key(entry.leaf) for entry in contents.entries if entry.leaf is not None
    }
    for path in (cache / layout.LOCKS).iterdir():
        if path.suffix != ".lock" or path.stem not in keys:
            yield f"left with the locks: {path.name}"


if __name__ == "__main__":
    sys.exit(main())
