"""The table of the terminal, and BENCHMARKS.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Measurement, Setting, run

Results = Sequence[tuple[ModuleType, Sequence[Measurement]]]
_COLUMNS = ("measured", "median", "quartiles", "target", "", "behind it")
_HEAD = ("section", "measured", "median", "target", "")
_KEPT = "kept"
_CELL = re.compile(r"(?<!\\)\|")
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


def markdown(modules: Iterable[ModuleType], results: Results, setting: Setting, before: str = "") -> str:
    """Writes measurements as a page, with the facts about the machine that explain them.

    Args:
        modules: All benchmarks, in the order of the page.
        results: Those that were run.
        setting: Where they ran.
        before: The page as it was: what other benchmarks measured stays as it is there.
    """
    measured = {
        module.TITLE: [_row(_cells(m, module.TELLING)) for m in measurements] for module, measurements in results
    }
    return _page(modules, _machine(setting), _tables(before) | measured)


def rewritten(modules: Iterable[ModuleType], before: str) -> str:
    """Writes the text of a page anew, around what was measured. Arguments as of `markdown`."""
    facts = before.partition(_SECTION)[0].splitlines()
    return _page(modules, [line[2:] for line in facts if line.startswith("- ")], _tables(before))


def _tables(page: str) -> dict[str, list[str]]:
    """The rows of each section, by its title."""
    found = {}
    for section in page.split(_SECTION)[1:]:
        title, *lines = section.splitlines()
        found[title] = [line for line in lines if line.startswith("| ")][2:]
    return found


def _page(modules: Iterable[ModuleType], machine: Sequence[str], tables: Mapping[str, Sequence[str]]) -> str:
    there = [module for module in modules if module.TITLE in tables]
    lines = [
        "# Benchmarks",
        "Written by `make benchmark`. Contenders take turns within each round; ratios are of the same round, ours "
        "first, so smaller is better. A target is the most that the median may be.",
        "",
        *(f"- {fact}" for fact in machine),
        "",
        *_head(there, tables),
    ]
    return _SECTION.join(["\n".join(lines) + "\n", *(_section(module, tables[module.TITLE]) for module in there)])


def _head(modules: Iterable[ModuleType], tables: Mapping[str, Sequence[str]]) -> list[str]:
    """One row of each section, and how many targets are kept."""
    lines = [_row(_HEAD), _row(["---"] * len(_HEAD))]
    verdicts = []
    for module in modules:
        rows = [[cell.strip() for cell in _CELL.split(row)[1:-1]] for row in tables[module.TITLE]]
        anchor = re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", module.TITLE).lower())
        lines += [
            f"| [{module.TITLE}](#{anchor}) | {what.strip('*')} | {median} | {target} | {verdict} |"
            for what, median, _, target, verdict, _ in rows
            if what.startswith("**")
        ]
        verdicts += [verdict for *_, verdict, _ in rows if verdict]
    kept = verdicts.count(_KEPT)
    return [*lines, "", f"Of {len(verdicts)} targets, {kept} are kept, and {len(verdicts) - kept} are not."]


def _section(module: ModuleType, rows: Sequence[str]) -> str:
    name = module.__name__.rpartition(".")[2]
    lines = [module.TITLE, (module.__doc__ or "").strip(), "", module.METHOD, ""]
    lines += ["```bash", f"make benchmark NAMES={name}", "```", ""]
    return "\n".join([*lines, _row(_COLUMNS), _row(["---"] * len(_COLUMNS)), *rows]) + "\n"


def _row(cells: Sequence[str]) -> str:
    cells = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(cells)} |"


def _cells(measurement: Measurement, telling: str = "") -> list[str]:
    low, high = measurement.spread
    unit = f" {measurement.unit}" if measurement.unit else ""
    verdict = {True: _KEPT, False: "falls short", None: ""}[measurement.keeps_claim]
    return [
        f"**{measurement.what}**" if measurement.what == telling else measurement.what,
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
