"""What a check of a model found."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that those who use the model will stumble over.

    Attributes:
        code: Of the rule; it stays what it is in later releases.
        where: The part of the model: a function, a signature, a file, a key of the card.
        what: What is wrong, with values.
        fix: What to do.
    """

    code: str
    where: str
    what: str
    fix: str

    @property
    def severity(self) -> Severity:
        """An ``error`` keeps users from what they expect of any model; a ``warning`` may surprise them."""
        return "error" if self.code.startswith("E") else "warning"


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A rule that was not applied.

    Attributes:
        code: Of the rule.
        reason: Why.
    """

    code: str
    reason: str


@dataclasses.dataclass(frozen=True)
class CheckReport:
    """What `rehub.publish.check.check` found.

    Attributes:
        folder: The model folder.
        format: The model's, as `rehub.ModelInfo` has it; empty for what is no model.
        size_bytes: Of all files together.
        findings: By code.
        skipped: The rules that do not apply to this model, or that nothing is known for.
    """

    folder: Path
    format: str
    size_bytes: int
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return len(self.findings) - self.errors

    def to_json(self) -> dict[str, Any]:
        """Returns the same as dicts, lists, texts and numbers; ``docs/publishing.md`` has the schema."""
        return {
            "folder": str(self.folder),
            "format": self.format,
            "size_bytes": self.size_bytes,
            "errors": self.errors,
            "warnings": self.warnings,
            "findings": [{"severity": each.severity, **dataclasses.asdict(each)} for each in self.findings],
            "skipped": [dataclasses.asdict(each) for each in self.skipped],
        }
