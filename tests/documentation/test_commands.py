"""Commands in the documents are ones that exist, with options that exist."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from rehub.cli.main import rehub
from tests.documentation.pages import PAGES, ROOT, blocks
from tests.project import pyproject

LANGUAGES = {"", "sh", "bash"}
EXTRAS = set(pyproject()["project"]["optional-dependencies"])
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
# Lines that begin otherwise are no commands: listings of folders, messages of HTTP, the YAML of a card.
PROGRAMS = {"rehub", "pip", "make", "python"}


def _commands(page: str) -> list[list[str]]:
    """Returns the words of each command on a page, without variables in front and without what comes after a pipe."""
    found = []
    for _, info, code in blocks(page):
        if (info.split() or [""])[0] not in LANGUAGES:
            continue
        for line in code.replace("\\\n", " ").splitlines():
            if re.match(r"(\w+=\S+ )*([\w/.-]*/)?[\w.-]+( |$)", line):
                for part in re.split(r"\s(?:\||&&|<|>)\s", re.sub(r"\s#\s.*", "", line)):
                    words = shlex.split(part)
                    while words and re.match(r"\w+=", words[0]):
                        words.pop(0)
                    if words and (words[0] in PROGRAMS or words[0].startswith("environments/")):
                        found.append(words)
    return found


def _parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Raises a click.UsageError where the command would complain of its words; runs nothing, and looks for no file."""
    command = command.make_context(command.name, list(words), parent, resilient_parsing=True).command
    context = click.Context(command, info_name=command.name, parent=parent, **command.context_settings)
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    if isinstance(command, click.Group):
        _, child, rest = command.resolve_command(context, rest)
        assert child is not None
        _parse(child, rest, context)
        return
    if rest:
        raise click.UsageError(f"There is more: {rest}.", context)
    for parameter in command.params:
        given = values.get(parameter.name or "")
        if parameter.required and not (isinstance(given, (str, tuple, list)) and given):
            raise click.MissingParameter(ctx=context, param=parameter)


CASES = [(page, words) for page in PAGES for words in _commands(page)]


def test_commands_are_found() -> None:
    assert {words[0] for _, words in CASES} >= PROGRAMS
    assert len(CASES) > 90


@pytest.mark.parametrize(("page", "words"), CASES, ids=[f"{page}: {' '.join(words)}"[:80] for page, words in CASES])
def test_command_exists(page: str, words: list[str]) -> None:
    program, *arguments = words
    if program == "rehub":
        _parse(rehub, arguments)
    elif program == "make":
        assert arguments[0] in TARGETS, page
    elif program == "pip":
        assert arguments[0] == "install"
        for extras in re.findall(r"(?:rehub|\.)\[([^\]]+)\]", " ".join(arguments)):
            assert set(extras.split(",")) <= EXTRAS, page
    elif program == "python":
        assert arguments[0] in ("-c", "-m") or arguments[0].endswith(".py")
        if "/" in arguments[0]:
            assert (ROOT / arguments[0]).is_file()
    else:
        assert (ROOT / program).is_file()


def test_command_that_does_not_exist_is_found() -> None:
    for words in (
        ["inspct", "x"],
        ["inspect", "--al", "x"],
        ["inspect"],
        ["serve", "token", "creat"],
        ["cache", "shw", "x"],
    ):
        with pytest.raises(click.UsageError):
            _parse(rehub, words)
