"""The table of the terminal, and BENCHMARKS.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from types import ModuleType

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Measurement, Setting, run

Results = Sequence[tuple[ModuleType, Sequence[Measurement]]]
_COLUMNS = ("measured", "median", "quartiles", "target", "", "behind it")
_SECTION = "\n## "
_VERSIONS = (
    "import importlib.metadata as m\n"
    "for d in ('tensorflow_cpu', 'tensorflow', 'keras', 'tf_keras', 'tensorflow_hub', 'numpy', 'kagglehub',"
    " 'huggingface_hub'):\n"
    "  try: print(d.replace('_cpu', ''), m.version(d))\n"
    "  except m.PackageNotFoundError: pass"
)


def print_table(console: Console, module: ModuleType, measurements: Sequence[Measurement]) -> None:
    """Prints the measurements of one benchmark."""
    table = Table(title=module.TITLE, title_justify="left")
    for column in _COLUMNS:
        table.add_column(column)
    for measurement in measurements:
        style = {True: "green", False: "red", None: None}[measurement.keeps_claim]
        table.add_row(*_cells(measurement), style=style)
    console.print(table)


def markdown(results: Results, setting: Setting, before: str = "") -> str:
    """Writes measurements as a page, with the facts about the machine that explain them.

    Args:
        results: The benchmarks that were run.
        setting: Where they ran.
        before: The page as it was: the sections of other benchmarks stay as they are there.
    """
    sections = {section.partition("\n")[0]: section for section in before.split(_SECTION)[1:]}
    sections |= {module.TITLE: _section(module, measurements) for module, measurements in results}
    parts = [
        "# Benchmarks",
        "Written by `make benchmark`. Contenders take turns within each round; ratios are of the same round, ours "
        "first, so smaller is better. A target is the most that the median may be.",
        *(f"- {fact}" for fact in _machine(setting)),
    ]
    lines = [*parts[:2], "", *parts[2:]]
    return _SECTION.join(["\n".join(lines) + "\n", *sections.values()])


def _section(module: ModuleType, measurements: Sequence[Measurement]) -> str:
    lines = [module.TITLE, module.__doc__ or "", "", module.METHOD, ""]
    lines += [_row(_COLUMNS), _row(["---"] * len(_COLUMNS)), *(_row(_cells(m)) for m in measurements)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    cells = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(cells)} |"


def _cells(measurement: Measurement) -> list[str]:
    low, high = measurement.spread
    unit = f" {measurement.unit}" if measurement.unit else ""
    verdict = {True: "kept", False: "falls short", None: ""}[measurement.keeps_claim]
    return [
        measurement.what,
        f"{_number(measurement.median)}{unit}",
        f"{_number(low)} to {_number(high)} ({len(measurement.values)})",
        "" if measurement.limit is None else f"{_number(measurement.limit)}{unit}",
        verdict,
        measurement.detail,
    ]


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


def _machine(setting: Setting) -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts = [
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB of memory, {platform.system()}, "
        f"Python {platform.python_version()}"
    ]
    for name, python in (
        ("Keras 3", setting.keras(3)),
        ("Keras 2", setting.keras(2)),
        ("the peer", setting.peer),
        ("the downloaders", setting.downloaders),
    ):
        facts.append(f"{name}: {', '.join(run([*python, '-c', _VERSIONS]).splitlines())}")
    return facts
