"""Two workers bring 1.6 times the rows of one, one costs what a plain loop does, and memory is flat over the data."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.measuring import Contender, Measurement, Setting, middle, ratios, run

TITLE = "Bulk inference"
TELLING = "time of 2 workers / 1 worker, steady state"
METHOD = (
    "Texts in Parquet through a text encoder (8.4 MB) by `rehub run`. Workers: Ray on this machine, each worker with "
    "one thread; the steady state is the time from the end of the first quarter of the parts to the end of the last "
    "part. Overhead: reading, running and writing all rows by a worker of rehub, against a loop of pyarrow and the "
    "model, in turn in one process, without loading. Memory: the largest resident set of `rehub run` with one worker, "
    "on ten times the rows against the rows."
)
_ROWS = 60_000
_PART_ROWS = 2_000


def measure(setting: Setting) -> list[Measurement]:
    rows = 8_000 if setting.quick else _ROWS
    part_rows = rows // 8 if setting.quick else _PART_ROWS
    python = setting.scale
    run([*python, "-m", "benchmarks.contenders.batch_data", setting.folder, str(rows)])
    overhead = _overhead(setting, python)
    speeds: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for place in range(setting.rounds_or(5)):
        for workers in (1, 2) if place % 2 == 0 else (2, 1):
            out = setting.folder / f"out-{workers}-{place}"
            _run(python, setting.folder / "rows.parquet", out, workers=workers, part_rows=part_rows, on_ray=True)
            speeds[workers].append({"s": _steady_s(out)})
    memory = []
    for place in range(setting.rounds_or(3)):
        peaks = [
            _run(python, setting.folder / name, setting.folder / f"{name}-{place}", workers=1, part_rows=part_rows)
            for name in ("tenth.parquet", "rows.parquet")
        ]
        memory.append({"tenth": peaks[0], "all": peaks[1]})
    one, two = middle(speeds[1], "s"), middle(speeds[2], "s")
    return [
        Measurement(
            "time of 2 workers / 1 worker, steady state",
            ratios(speeds[2], speeds[1], "s"),
            limit=1 / 1.6,
            detail=f"{two:.1f} s, {one:.1f} s; {one / two:.2f} times the rows per second",
        ),
        overhead,
        Measurement(
            "memory, ten times the rows / the rows",
            [each["all"] / each["tenth"] for each in memory],
            limit=1.1,
            detail=f"{middle(memory, 'all') / 1e6:.0f} MB, {middle(memory, 'tenth') / 1e6:.0f} MB",
        ),
    ]


def _overhead(setting: Setting, python: list[str]) -> Measurement:
    with Contender(python, "batch_running", setting.folder) as contender:
        found = [contender.ask(worker_first=place % 2 == 0) for place in range(setting.rounds_or(7))]
    detail = f"{middle(found, 'worker'):.2f} s, {middle(found, 'loop'):.2f} s"
    return Measurement(
        "one worker / plain loop", [each["worker"] / each["loop"] for each in found], limit=1.1, detail=detail
    )


def _run(python: list[str], data: Path, out: Path, *, workers: int, part_rows: int, on_ray: bool = False) -> float:
    """Runs the model on a file; returns the largest resident set of the command in bytes."""
    model = data.parent / "encoder"
    options = [f"--workers={workers}", f"--part-rows={part_rows}", *(["--on-ray"] if on_ray else [])]
    command = [*python, "-m", "benchmarks.contenders.batch_command", str(model), str(data), str(out), *options]
    more = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"} if on_ray else {}
    peak: float = json.loads(run(command, **more))
    return peak


def _steady_s(out: Path) -> float:
    ends = sorted(part.stat().st_mtime for part in out.glob("part-*.parquet"))
    return ends[-1] - ends[len(ends) // 4 - 1]
