"""The changelog names what there is, once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import click

import rehub
from rehub.cli.main import rehub as command
from tests.documentation.pages import text

TEXT = text("CHANGELOG.md")


def _commands(group: click.Command, context: click.Context) -> Iterator[str]:
    if not isinstance(group, click.Group):
        yield context.command_path
        return
    for name in group.list_commands(context):
        child = group.get_command(context, name)
        assert child is not None
        yield from _commands(child, click.Context(child, info_name=name, parent=context))


def _first_words(entry: str) -> str:
    return " ".join(entry.split())[:40]


def test_entries_are_there_once() -> None:
    entries = Counter(map(_first_words, re.findall(r"^- (.*(?:\n  .*)*)", TEXT, flags=re.MULTILINE)))

    assert entries
    assert [entry for entry, count in entries.items() if count > 1] == []


def test_every_public_name_is_told_of() -> None:
    named = set(re.findall(r"\w+", TEXT))

    assert [name for name in rehub.__all__ if name not in named and name != "__version__"] == []


def test_every_command_is_told_of() -> None:
    told = " ".join(TEXT.split())
    # `rehub cache list | show` stands for two of them.
    several = {
        f"{before} {name}"
        for before, first, others in re.findall(r"`(rehub(?: [a-z-]+)*?) ([a-z-]+)((?: \| [a-z-]+)+)", told)
        for name in [first, *others.split(" | ")]
    }

    paths = [
        path
        for path in _commands(command, click.Context(command, info_name="rehub", **command.context_settings))
        if " " in path
    ]
    assert len(paths) > 30
    assert [path for path in paths if path not in told and path not in several] == []
