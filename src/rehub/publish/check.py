"""``rehub.publish.check.check``: what those who use a model will meet, before it is published."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from rehub.errors import FormatError
from rehub.formats import saved_model
from rehub.formats.card import Card, read_card
from rehub.model import model_info
from rehub.publish.card_file import card_bytes
from rehub.publish.check_report import CheckReport, Finding, Skipped
from rehub.publish.probe import Limits, probe
from rehub.publish.rules.every import IS_MODEL, RULES
from rehub.publish.rules.rule import NAMES, Rule
from rehub.publish.rules.subject import Subject
from rehub.resolvers.inspection import folder_of

_LIMITS = Limits()
_NOTHING = "the folder is no model that can be read"


def check(
    handle: str | os.PathLike[str],
    *,
    card: str | os.PathLike[str] | None = None,
    run: bool = True,
    limits: Limits = _LIMITS,
) -> CheckReport:
    """Checks a model before others use it; nothing of it is changed.

    Most is found by reading its files. The rest is found by running it: in a process of its own, so that a model that
    ends the process, or a missing TensorFlow, is a finding, too. A model is a program: run your own only.

    Args:
        handle: The model folder, or a URL that is resolved through the cache.
        card: The model card; None for ``card.md`` in the folder.
        run: Whether to run it.
        limits: What it may use while it runs.

    Raises:
        HubError: What `rehub.resolve` raises, if the model cannot be had. What is wrong with it is a finding.
        DependencyError: If there is a card, and PyYAML is not installed.
    """
    folder = folder_of(handle)
    try:
        subject = examine(folder, card)
    except FormatError as error:
        finding = Finding(IS_MODEL[0], error.member or "all", error.message.rstrip("."), error.hint)
        return CheckReport(folder, "", 0, (finding,), tuple(Skipped(rule.code, _NOTHING) for rule in RULES))
    if run and not subject.info.missing_files:
        parts = [part.path for part in subject.parts if part.path]
        lifts = subject.info.format != "saved_model_2"
        facts = probe(folder, subject.main_graph.tags, parts, lifts=lifts, limits=limits)
        subject = dataclasses.replace(subject, facts=facts)
    return judge(subject)


def examine(folder: Path, card: str | os.PathLike[str] | None = None) -> Subject:
    """Reads the files of a model, without running it.

    Args:
        folder: The model folder.
        card: As for `check`.

    Raises:
        FormatError: If it is no model, or a damaged one.
        DependencyError: If there is a card, and PyYAML is not installed.
    """
    info = model_info.describe(folder)
    file = saved_model.find(folder)
    assert file is not None, "else it could not have been described"
    return Subject(info, saved_model.read(file).meta_graphs, *_card(folder, card), None)


def judge(subject: Subject) -> CheckReport:
    """Applies all rules to what is known of a model."""
    findings, skipped = list[Finding](), list[Skipped]()
    for rule in RULES:
        found = _applied(rule, subject)
        if isinstance(found, str):
            skipped.append(Skipped(rule.code, found))
        else:
            findings += found
    info = subject.info
    return CheckReport(info.folder, info.format, info.size_bytes, tuple(findings), tuple(skipped))


def _card(folder: Path, path: str | os.PathLike[str] | None) -> tuple[Card | None, FormatError | None]:
    """The card of a model, or why it cannot be read; neither where there is none."""
    try:
        data = card_bytes(folder, path)
        return (None if data is None else read_card(data)), None
    except FormatError as error:
        return None, error


def _applied(rule: Rule, subject: Subject) -> list[Finding] | str:
    """What a rule finds, or why it is not applied."""
    if subject.info.format not in rule.formats:
        return f"it does not concern {NAMES[subject.info.format]}"
    try:
        found = rule.find(subject)
        return found if isinstance(found, str) else [Finding(rule.code, *each) for each in found]
    except FormatError as error:
        return f"the files do not tell: {error.message}"
