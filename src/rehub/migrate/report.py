"""What was found in the files of a code base, for people and programs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rehub.migrate.finding import Finding, Kind
from rehub.migrate.text_file import TextFile

KINDS: tuple[Kind, ...] = ("works", "rewritten", "by hand", "failed")


@dataclasses.dataclass(frozen=True)
class FileReport:
    """What was found in one file.

    Attributes:
        path: The file.
        findings: By place.
        file: As it was read; None if it could not be.
        after: The text that it is to have.
    """

    path: Path
    findings: tuple[Finding, ...]
    file: TextFile | None = None
    after: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether there is something to write."""
        return self.file is not None and self.after != self.file.text

    def place(self, finding: Finding) -> str:
        """Returns where a finding is: ``FILE:LINE``, or ``FILE:cell CELL:LINE`` in a notebook."""
        cell = "" if finding.cell is None else f"cell {finding.cell}:"
        return f"{self.path.as_posix()}:{cell}{finding.line}"


def lines(reports: Sequence[FileReport], kind: Kind) -> list[str]:
    """Returns the findings of a kind: ``FILE:LINE: CODE message → what to do``."""
    return [
        f"{report.place(finding)}: {finding.code} {finding.what}{f' → {finding.fix}' if finding.fix else ''}"
        for report in reports
        for finding in report.findings
        if finding.kind == kind
    ]


def count(reports: Sequence[FileReport], kind: Kind) -> int:
    """Returns how many findings of a kind there are."""
    return sum(finding.kind == kind for report in reports for finding in report.findings)


def to_json(reports: Sequence[FileReport], *, files: int, is_written: bool) -> dict[str, Any]:
    """Returns everything for a program.

    Args:
        reports: Of all files, or those with findings.
        files: How many were looked at.
        is_written: Whether the files that change were written.
    """
    findings = [_finding(report, finding) for report in reports for finding in report.findings]
    codes = Counter(finding["code"] for finding in findings)
    return {
        "files": files,
        "changed_files": [report.path.as_posix() for report in reports if report.is_changed],
        "written": is_written,
        "counts": {kind: count(reports, kind) for kind in KINDS},
        "codes": dict(sorted(codes.items())),
        "findings": findings,
    }


def _finding(report: FileReport, finding: Finding) -> dict[str, Any]:
    return {
        "path": report.path.as_posix(),
        "cell": finding.cell,
        "line": finding.line,
        "code": finding.code,
        "kind": finding.kind,
        "message": finding.what,
        "fix": finding.fix,
    }
