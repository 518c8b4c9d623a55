"""Python programs: what is found in one, by all rules."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import libcst as cst

from rehub.errors import FormatError
from rehub.migrate import addresses, imports, keras_traps, module_calls, requirements, style
from rehub.migrate.finding import Edit, Finding
from rehub.migrate.program import Program, string

_WORTH_READING = re.compile(r"tensorflow[-_]hub|tfhub|\brehub\b", re.IGNORECASE)


def find(text: str, *, to_tf2: bool = False, is_setup: bool = False) -> list[Finding]:
    """Returns what is found in a program, by place.

    Args:
        text: The program.
        to_tf2: Whether hub.Module is rewritten in programs of TensorFlow 1, too.
        is_setup: Whether it is a setup.py, whose texts are dependencies.

    Raises:
        FormatError: If it is no Python.
    """
    if not _WORTH_READING.search(text):
        return []
    program = parse(text)
    found = [*addresses.find(program), *imports.find(program)]
    if is_setup:
        found += _dependencies(program)
    if program.hub_uses:
        written_for = style.style(program)
        found += module_calls.find(program, written_for, to_tf2=to_tf2)
        found += style.find(program, written_for, to_tf2=to_tf2)
        found += keras_traps.find(program)
    return sorted(dict.fromkeys(found), key=lambda finding: (finding.line, finding.code))


def _dependencies(program: Program) -> Iterator[Finding]:
    for node in program.all(cst.SimpleString):
        value = string(node) or ""
        if value not in program.code(node):
            continue
        start = program.span(node)[0] + len(node.prefix) + len(node.quote)
        for it in requirements.find_in_text(value):
            edits = tuple(Edit(edit.start + start, edit.end + start, edit.text) for edit in it.edits)
            yield dataclasses.replace(it, line=program.line(node), edits=edits)


def parse(text: str) -> Program:
    """Reads a program.

    Raises:
        FormatError: If it is no Python; the message has the line.
    """
    try:
        return Program(text)
    except cst.ParserSyntaxError as error:
        raise FormatError(f"line {error.raw_line}: {_reason(error)}") from error
    except (RecursionError, UnicodeError, ValueError) as error:
        raise FormatError(f"it cannot be read as Python: {type(error).__name__}") from error


def is_python(text: str) -> bool:
    """Whether a text is Python."""
    try:
        cst.parse_module(text)
    except (cst.ParserSyntaxError, RecursionError, UnicodeError, ValueError):
        return False
    return True


def _reason(error: cst.ParserSyntaxError) -> str:
    text = error.message.splitlines()[0] if error.message else "no Python"
    return text.removeprefix("parser error: ").rstrip(".")
