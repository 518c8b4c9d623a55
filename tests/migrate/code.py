"""One file, looked at."""

from __future__ import annotations

import textwrap
from pathlib import Path

from rehub.migrate import migration
from rehub.migrate.report import FileReport


def examine(folder: Path, text: str, name: str = "program.py", *, to_tf2: bool = False) -> FileReport:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(textwrap.dedent(text).encode())
    (report,) = migration.examine([file], to_tf2=to_tf2)
    return report


def found(report: FileReport) -> list[tuple[int, str, str]]:
    """Returns line, code and kind of what is not said to work as it is."""
    return [(it.line, it.code, it.kind) for it in report.findings if it.kind != "works"]


def after(folder: Path, text: str, name: str = "program.py", *, to_tf2: bool = False) -> str:
    report = examine(folder, text, name, to_tf2=to_tf2)
    return textwrap.dedent(text) if report.file is None else report.after  # None: it says nothing of tensorflow_hub
