"""Jupyter notebooks: their code cells as one program, in which nothing else of the file changes.

Source: the notebook format, version 4; IPython's magic commands.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

from rehub.errors import FormatError
from rehub.migrate import python_code, requirements
from rehub.migrate.finding import Finding, apply

_MAGIC = re.compile(r"(?P<indent>\s*)([%!?]|[\w, .]+=\s*[%!]|.*\?\s*$)")
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_WITH_PYTHON = frozenset({"capture", "prun", "time", "timeit"})
_SHELL = frozenset({"bash", "script", "sh"})
_MASK = "pass  # rehub-migrate-line"
_CELL = "# rehub-migrate-cell"
_BLANK = re.compile(r"[ \t\r\n]*")


@dataclasses.dataclass(frozen=True)
class _Cell:
    """A code cell: its number from 1, its source, and where that stands in the file, as a list or as one text."""

    number: int
    source: str
    start: int
    end: int


def migrate(text: str, *, to_tf2: bool = False) -> tuple[list[Finding], str]:
    """Returns what is found in a notebook, and the notebook rewritten.

    Raises:
        FormatError: If it is no notebook.
    """
    cells = list(_code_cells(text))
    findings: list[Finding] = []
    sources: dict[int, str] = {}
    masked: dict[int, str] = {}
    for cell in cells:
        commands, source = _commands(cell.source)
        findings += [dataclasses.replace(finding, cell=cell.number) for finding in commands]
        sources[cell.number] = source
        masked[cell.number] = program = _masked(source)
        wrong = python_code.syntax_error(program)
        if wrong is not None:
            masked[cell.number] = ""
            findings.append(dataclasses.replace(wrong, cell=cell.number))
    combined = "".join(f"{_CELL} {number}\n{program}\n" for number, program in masked.items())
    found = python_code.find(combined, to_tf2=to_tf2)
    findings += [_placed(finding, combined) for finding in found]
    after = apply(combined, (edit for finding in found for edit in finding.edits))
    for number, program in _split(after):
        if masked[number] and program != masked[number]:
            sources[number] = _unmasked(program, sources[number])
    return sorted(findings, key=lambda it: (it.cell or 0, it.line, it.code)), _replaced(text, cells, sources)


def _code_cells(text: str) -> Iterator[_Cell]:
    try:
        whole = json.loads(text)
        if not isinstance(whole, dict) or not isinstance(whole.get("cells"), list):
            raise FormatError("there is no list of cells, as notebooks have since version 4 of the format")
        start = next(start for name, start, _ in _members(text, _BLANK.match(text).end()) if name == "cells")  # type: ignore[union-attr]
        for number, (place, _) in enumerate(_items(text, start), 1):
            cell = {name: (begin, end) for name, begin, end in _members(text, place)}
            if "source" in cell and json.loads(text[slice(*cell["cell_type"])]) == "code":
                source = json.loads(text[slice(*cell["source"])])
                yield _Cell(number, source if isinstance(source, str) else "".join(source), *cell["source"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"it cannot be read as JSON of a notebook: {error}") from error


def _members(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Yields name, start and end of the members of a JSON object."""
    position = _after(text, start + 1)
    while text[position] != "}":
        name, position = json.JSONDecoder().raw_decode(text, position)
        begin = _after(text, _after(text, position) + 1)
        end = _end(text, begin)
        yield name, begin, end
        position = _next(text, end)


def _items(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Yields start and end of the items of a JSON list."""
    position = _after(text, start + 1)
    while text[position] != "]":
        end = _end(text, position)
        yield position, end
        position = _next(text, end)


def _after(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    assert match is not None
    return match.end()


def _next(text: str, end: int) -> int:
    position = _after(text, end)
    return _after(text, position + 1) if text[position] == "," else position


def _end(text: str, start: int) -> int:
    end: int = json.JSONDecoder().raw_decode(text, start)[1]
    return end


def _commands(source: str) -> tuple[list[Finding], str]:
    """Returns what is found in the lines for a shell, and the cell with these rewritten."""
    magic = _CELL_MAGIC.match(source)
    is_shell = magic is not None and magic[1] in _SHELL
    findings, lines = [], _lines(source)
    for index, line in enumerate(lines):
        if is_shell or line.lstrip().startswith(("!", "%pip", "%conda")):
            for finding in requirements.find_in_command(line):
                findings.append(dataclasses.replace(finding, line=index + 1))
                lines[index] = apply(lines[index], finding.edits)
    return findings, "".join(lines)


def _lines(source: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", source)


def _masked(source: str) -> str:
    """Returns a cell as Python: what only IPython understands is replaced, line by line."""
    if python_code.syntax_error(source) is None:
        return source
    magic = _CELL_MAGIC.match(source)
    if magic is not None and magic[1] not in _WITH_PYTHON:
        return ""
    lines = _lines(source)
    for index, line in enumerate(lines):
        match = _MAGIC.match(line)
        if match:
            lines[index] = f"{match['indent']}{_MASK} {index}" + "\n" * line.endswith("\n")
    return "".join(lines)


def _unmasked(program: str, source: str) -> str:
    lines = _lines(source)
    mask = re.compile(rf"^[^\S\n]*{_MASK} (\d+)$", re.MULTILINE)
    return mask.sub(lambda match: lines[int(match[1])].rstrip("\n"), program)


def _split(combined: str) -> Iterator[tuple[int, str]]:
    parts = re.split(rf"^{_CELL} (\d+)\n", combined, flags=re.MULTILINE)
    for number, program in zip(parts[1::2], parts[2::2], strict=True):
        yield int(number), program.removesuffix("\n")


def _placed(finding: Finding, combined: str) -> Finding:
    """Returns a finding with the cell, and the line in it."""
    cell, first = 0, 0
    for line, content in enumerate(combined.split("\n")[: finding.line], 1):
        if content.startswith(f"{_CELL} "):
            cell, first = int(content.rpartition(" ")[2]), line
    return dataclasses.replace(finding, cell=cell, line=finding.line - first)


def _replaced(text: str, cells: list[_Cell], sources: dict[int, str]) -> str:
    for cell in reversed(cells):
        if sources[cell.number] != cell.source:
            new = _written(text[cell.start : cell.end], sources[cell.number])
            text = text[: cell.start] + new + text[cell.end :]
    return text


def _written(old: str, source: str) -> str:
    """Returns a source in JSON, laid out and escaped as it was; lines that stay are not written anew."""
    value: Any = json.loads(old)
    if isinstance(value, str):
        return _escaped(source, old)
    spans = list(_items(old, 0))
    known = {value[index]: old[start:end] for index, (start, end) in enumerate(spans)}
    opening, closing = old[: spans[0][0]], old[spans[-1][1] :]
    between = old[spans[0][1] : spans[1][0]] if len(spans) > 1 else f",{opening[1:] or ' '}"
    return opening + between.join(known.get(line) or _escaped(line, old) for line in _lines(source)) + closing


def _escaped(text: str, old: str) -> str:
    written = json.dumps(text, ensure_ascii=old.isascii())
    for letter in "&<>'":  # some editors escape what is special in HTML
        code = f"\\u{ord(letter):04x}"
        if code in old:
            written = written.replace(letter, code)
    return written
