"""Fuzzes the targets with atheris, some at once.

Usage: ``python -m fuzz [--seconds N] [--seed N] [TARGET...]``.
Inputs that reach new code are added to ``fuzz-output/TARGET/corpus``, those that fail to ``fuzz-output/TARGET``.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from fuzz.targets import TARGETS

ROOT = Path(__file__).parent
OUTPUT = Path("fuzz-output")
_SECONDS = 600
_AT_ONCE = min(os.cpu_count() or 1, 4)
_INPUT_S = 20
_MEMORY_MB = 1024


def main() -> int:
    """Runs the targets that are asked for, and returns 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=_SECONDS, help="for all targets together (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what atheris makes up; 0 for another one each time")
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)}; all if none is named"
    )
    arguments = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed; it has packages for Linux on x86_64 and Python 3.11 to 3.13")
    targets = arguments.targets or list(TARGETS)
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    at_once = min(_AT_ONCE, len(targets))
    seconds = max(1, arguments.seconds * at_once // len(targets))
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        passed = list(pool.map(lambda name: _run(name, seconds, arguments.seed), targets))
    failed = [name for name, good in zip(targets, passed, strict=True) if not good]
    print(f"failed: {', '.join(failed)}" if failed else f"{len(targets)} targets passed")
    return 1 if failed else 0


def _run(target: str, seconds: int, seed: int) -> bool:
    output = OUTPUT / target
    (output / "corpus").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(  # noqa: S603 - this very Python
        [
            *(sys.executable, "-m", "fuzz.one", target),
            *(f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={_INPUT_S}", f"-rss_limit_mb={_MEMORY_MB}"),
            *(f"-artifact_prefix={output}/", str(output / "corpus"), str(ROOT / "corpus" / target)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    (output / "log.txt").write_text(done.stdout)
    last = [line for line in done.stdout.splitlines() if line.startswith("Done ")]
    print(f"{target:20} {last[-1] if last and done.returncode == 0 else f'FAILED, see {output}/log.txt'}", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
