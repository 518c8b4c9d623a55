"""Handles in a program, and where it expects their files."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from rehub.migrate.finding import Edit, Finding
from rehub.migrate.program import Program, dotted, string

_TFHUB = re.compile(r"https?://tfhub\.dev/")
_QUERY = re.compile(r"\?tf-hub-format=(?:un)?compressed(?:&|$)")
_CACHE = "TFHUB_CACHE_DIR"
_OLD_FOLDER = "tfhub_modules"
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - what programs write, not what is written to


def find(program: Program) -> Iterator[Finding]:
    """Yields handles, and what a program knows of the cache."""
    for node in program.all(cst.SimpleString):
        value = string(node)
        if not value or isinstance(program.parent(node), cst.Expr):
            continue
        if _TFHUB.match(value):
            yield Finding("M401", program.line(node), f"{value} works as it is: tfhub.dev sends on to Kaggle")
        if _QUERY.search(value) and _is_handle(program, node):
            yield _query(program, node)
        if value == _CACHE:
            yield from _cache(program, node)
        if value.rstrip("/").rpartition("/")[2] == _OLD_FOLDER:
            fix = "ask hub.resolve(handle) for the folder of a model, or set TFHUB_CACHE_DIR to this folder"
            yield Finding("M404", program.line(node), "the cache of rehub is not in the temporary folder", fix)
    yield from _hashes(program)


def _is_handle(program: Program, node: cst.SimpleString) -> bool:
    above = list(program.around(node))[:2]
    return len(above) == 2 and isinstance(above[1], cst.Call) and bool(program.hub_name(above[1].func))


def _query(program: Program, node: cst.SimpleString) -> Finding:
    code = program.code(node)
    match = re.search(r"\?tf-hub-format=(?:un)?compressed(&?)", code)
    line, what = program.line(node), "the handle has a query string that says how it is downloaded"
    if match is None:
        return Finding("M402", line, what, "leave it out: rehub adds its own")
    start = program.span(node)[0] + len(code[: match.start()].encode())
    edit = Edit(start, start + len(match[0].encode()), "?" if match[1] else "")
    return Finding("M402", line, what, "rehub adds its own", (edit,))


def _cache(program: Program, node: cst.SimpleString) -> Iterator[Finding]:
    for above in program.around(node):
        if isinstance(above, cst.Assign):
            value: cst.BaseExpression | None = above.value
        elif isinstance(above, cst.Call) and len(above.args) > 1 and above.args[0].value is node:
            value = above.args[1].value
        else:
            continue
        if value is not None and _is_temporary(program, value):
            fix = "leave it out: rehub keeps models in the user's cache folder"
            yield Finding("M403", program.line(node), f"{_CACHE} is in a temporary folder, which is cleaned", fix)
        return


def _is_temporary(program: Program, value: cst.BaseExpression) -> bool:
    text = string(value)
    if text is not None:
        return any(text == folder or text.startswith(f"{folder}/") for folder in _TEMPORARY)
    return "tempfile." in program.code(value)


def _hashes(program: Program) -> Iterator[Finding]:
    looks_there = any(string(node) in (_CACHE, _OLD_FOLDER) for node in program.all(cst.SimpleString))
    for call in program.all(cst.Call):
        if looks_there and dotted(call.func).rpartition(".")[2] == "sha1":
            fix = "ask hub.resolve(handle): the folders of rehub's cache are named after the handles"
            yield Finding("M404", program.line(call), "the name of a folder in the cache is computed by sha1", fix)
