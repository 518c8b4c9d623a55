"""What has to change in a code base, and the changes."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rehub.errors import DependencyError, FormatError
from rehub.migrate import code_base, requirements, text_file
from rehub.migrate.code_base import FileKind
from rehub.migrate.finding import Finding, apply
from rehub.migrate.report import FileReport
from rehub.migrate.text_file import TextFile

_WORTH_READING = re.compile(rb"tensorflow[-_.]hub|tf-hub-nightly|tfhub|\brehub\b", re.IGNORECASE)


def check_installed() -> None:
    """Raises a DependencyError if libcst is not installed."""
    if importlib.util.find_spec("libcst") is None:
        raise DependencyError(
            "Programs are read by libcst, which is not installed.",
            hint="Run: pip install 'rehub[migrate]'",
            package="libcst",
        )


def examine(paths: Iterable[Path], *, to_tf2: bool = False) -> Iterator[FileReport]:
    """Yields what is found in files, and in those of folders; nothing is written.

    A file that cannot be read is among them, and does not stop the others.

    Args:
        paths: The files and folders.
        to_tf2: Whether hub.Module is rewritten in programs of TensorFlow 1, too.

    Raises:
        DependencyError: If libcst is not installed.
        UsageError: If a path is a file of no kind that is read.
    """
    check_installed()
    seen = set()
    for path in paths:
        for file in code_base.files(path):
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield _examine(file, to_tf2)


def write(report: FileReport) -> FileReport:
    """Writes a file as it is to become.

    Returns:
        The report, or where the file cannot be written, one that says so.
    """
    assert report.file is not None
    try:
        text_file.write(report.file, report.after)
    except (OSError, ValueError) as error:
        return _failure(report.path, "M902", f"the file cannot be written: {_reason(error)}", "it is as it was")
    return report


def diff(report: FileReport) -> str:
    """Returns what changes in a file as a patch."""
    assert report.file is not None
    before, after = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (report.file.text, report.after))
    name = report.path.as_posix()
    lines = difflib.unified_diff(before, after, name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _examine(path: Path, to_tf2: bool) -> FileReport:
    try:
        content = path.read_bytes()
        if not _WORTH_READING.search(content):
            return FileReport(path, ())
        file = text_file.decode(path, content)
    except (OSError, ValueError) as error:
        return _failure(path, "M902", f"the file cannot be read: {_reason(error)}", "look at it by hand")
    try:
        findings, after = _migrated(file, to_tf2)
    except FormatError as error:
        return _failure(path, "M901", str(error), "look at it by hand")
    return FileReport(path, tuple(findings), file, after)


def _migrated(file: TextFile, to_tf2: bool) -> tuple[list[Finding], str]:
    kind = code_base.kind(file.path)
    if kind is FileKind.DEPENDENCIES:
        findings = requirements.find(file.text, file.path)
    elif kind is FileKind.NOTEBOOK:
        from rehub.migrate import notebook

        return notebook.migrate(file.text, to_tf2=to_tf2)
    else:
        from rehub.migrate import python_code

        findings = python_code.find(file.text, to_tf2=to_tf2, is_setup=file.path.name == "setup.py")
    return findings, apply(file.text, (edit for finding in findings for edit in finding.edits))


def _failure(path: Path, code: str, what: str, fix: str) -> FileReport:
    return FileReport(path, (Finding(code, 1, what, fix),))


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
