"""All rules, in the order of their codes. ``docs/publishing.md`` lists the same."""

from __future__ import annotations

from rehub.publish.rules import cards, contents, files, interface, outputs, running, signatures, tasks

IS_MODEL = ("E101", "The folder is a model, and its files can be read.")
"""Without this nothing else can be looked at."""

RULES = tuple(
    sorted(
        (
            rule
            for area in (files, interface, signatures, tasks, outputs, contents, running, cards)
            for rule in area.RULES
        ),
        key=lambda rule: rule.code[1:],
    )
)
