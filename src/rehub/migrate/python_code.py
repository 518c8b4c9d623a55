"""Python programs: what is found in one, by all rules."""

from __future__ import annotations

import ast
import dataclasses
import warnings
from collections.abc import Iterator

import libcst as cst

from rehub.migrate import addresses, imports, keras_traps, module_calls, requirements, style
from rehub.migrate.finding import Edit, Finding
from rehub.migrate.program import Program, string

_LOOK = "look at it by hand"


def find(text: str, *, to_tf2: bool = False, is_setup: bool = False) -> list[Finding]:
    """Returns what is found in a program, by place.

    Args:
        text: The program.
        to_tf2: Whether hub.Module is rewritten in programs of TensorFlow 1, too.
        is_setup: Whether it is a setup.py, whose texts are dependencies.
    """
    wrong = syntax_error(text)
    if wrong is not None:
        return [wrong]
    try:
        found = _found(Program(text), to_tf2=to_tf2, is_setup=is_setup)
    except cst.ParserSyntaxError as error:
        return [Finding("M901", error.raw_line, "it is Python that libcst does not know", _LOOK)]
    except RecursionError:
        return [Finding("M901", 1, "it is nested too deeply", _LOOK)]
    return sorted(dict.fromkeys(found), key=lambda finding: (finding.line, finding.code))


def _found(program: Program, *, to_tf2: bool, is_setup: bool) -> list[Finding]:
    found = [*addresses.find(program), *imports.find(program)]
    if is_setup:
        found += _dependencies(program)
    if program.uses_hub:
        written_for = style.style(program)
        found += module_calls.find(program, written_for, to_tf2=to_tf2)
        found += style.find(program, written_for, to_tf2=to_tf2)
        found += keras_traps.find(program)
    return found


def _dependencies(program: Program) -> Iterator[Finding]:
    for node in program.all(cst.SimpleString):
        value = string(node) or ""
        if value not in program.code(node):
            continue
        start = program.span(node)[0] + len(node.prefix) + len(node.quote)
        for it in requirements.find_in_text(value):
            edits = tuple(Edit(edit.start + start, edit.end + start, edit.text) for edit in it.edits)
            yield dataclasses.replace(it, line=program.line(node), edits=edits)


def syntax_error(text: str) -> Finding | None:
    """Returns what says that a text is no Python, None if it is.

    Python's own parser looks at it first: it says best what is wrong, and refuses what is nested so deeply that libcst
    would end the process.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are not valid, and the like
            ast.parse(text)
    except SyntaxError as error:
        return Finding("M901", error.lineno or 1, f"it is no Python: {error.msg}", _LOOK)
    except (MemoryError, RecursionError, ValueError) as error:
        return Finding("M901", 1, f"it cannot be read as Python: {str(error) or type(error).__name__}", _LOOK)
    return None
