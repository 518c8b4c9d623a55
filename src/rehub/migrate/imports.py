"""How a program comes by tensorflow_hub, and by which names it uses it."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from rehub.migrate.finding import Edit, Finding
from rehub.migrate.hub_names import ALIAS, ESTIMATORS, GRAPH_MODE, INNER_MODULES, OF_ANY_MODULE, PUBLIC, TOOLS
from rehub.migrate.program import Dotted, Program, dotted, string

_OLD, _NEW = "tensorflow_hub", "rehub"
_IMPORTERS = frozenset({"import_module", "__import__", "importorskip", "find_spec", "LazyLoader", "reload"})
_PATCHERS = frozenset({"patch", "setattr", "delattr", "object"})


def find(program: Program) -> Iterator[Finding]:
    """Yields what concerns imports and names; hub.Module has `rehub.migrate.module_calls`."""
    uses = list(_uses(program))
    yield from uses
    keeps = next((use for use in uses if use.code in ("M104", "M105")), None)
    for statement in program.all(cst.Import):
        for alias in statement.names:
            if dotted(alias.name).partition(".")[0] == _OLD:
                yield _import(program, alias, keeps)
    for clause in program.all(cst.ImportFrom):
        if not clause.relative and dotted(clause.module).partition(".")[0] == _OLD:
            yield _import_from(program, clause)
    yield from _texts(program)


def _uses(program: Program) -> Iterator[Finding]:
    for node, name in program.hub_uses:
        first, _, rest = name.partition(".")
        line = program.line(node)
        if first == "__version__":
            yield Finding(
                "M106", line, "tensorflow_hub.__version__ is used", "compare no versions: rehub has numbers of its own"
            )
        elif first in PUBLIC | OF_ANY_MODULE:
            if first not in GRAPH_MODE | ESTIMATORS:
                yield Finding("M110", line, f"hub.{first} works as it is")
        elif first in INNER_MODULES and program.qualified(node).startswith(_OLD):
            yield from _inner(program, node, first, rest)
        elif first and program.qualified(node).startswith(_OLD):
            yield _absent(line, name)


def _absent(line: int, name: str) -> Finding:
    fix = "see help(rehub) for what it has"
    if name.partition(".")[0] == TOOLS:
        fix = "rehub train image-classifier and rehub index build take its place"
    return Finding("M105", line, f"rehub has no hub.{name}", fix)


def _inner(program: Program, node: Dotted, module: str, name: str) -> Iterator[Finding]:
    line, inner = program.line(node), _attribute_of_module(program, node)
    is_public = name.partition(".")[0] in PUBLIC
    if is_public and inner is not None:
        edit = Edit(program.span(inner.value)[1], program.span(inner)[1], "")
        yield Finding("M103", line, f"tensorflow_hub.{module}.{name}", f"take it from rehub: {name}", (edit,))
    elif is_public:  # as after `import tensorflow_hub.keras_layer as layers`, which is edited where it is imported
        yield Finding("M110", line, f"hub.{name} works as it is")
    elif inner is not None:  # else the import tells of it
        yield Finding("M104", line, f"tensorflow_hub.{module}{'.' * bool(name)}{name} is not public", ALIAS)


def _attribute_of_module(program: Program, node: Dotted) -> cst.Attribute | None:
    """Returns the piece ``hub.keras_layer`` of ``hub.keras_layer.KerasLayer``."""
    piece: cst.BaseExpression = node
    while isinstance(piece, cst.Attribute):
        if program.hub_name(piece.value) == "":
            return piece
        piece = piece.value
    return None


def _import(program: Program, alias: cst.ImportAlias, keeps: Finding | None) -> Finding:
    name, line = dotted(alias.name), program.line(alias)
    if keeps is not None:
        return Finding(
            "M104", line, f"import {name} stays, because of line {keeps.line}: {keeps.what}", "see that line"
        )
    inner = name.partition(".")[2]
    if inner and inner.partition(".")[0] not in INNER_MODULES:
        return _absent(line, inner)
    if inner and (alias.asname is None or _is_used_publicly(program, name)):
        code, fix = "M103", "import rehub"
    elif inner:
        return Finding("M104", line, f"import {name} is of an inner module", ALIAS)
    else:
        code, fix = "M101", "import rehub"
    if alias.asname is not None:
        edits = [program.replacing(alias.name, _NEW)]
        fix += f" as {dotted(alias.asname.name)}"
    elif _is_bound_otherwise(program):
        edits = [program.replacing(alias.name, f"{_NEW} as {_OLD}")]
        fix += f" as {_OLD}"
    else:
        edits = [program.replacing(name, _NEW) for name in (alias.name, *_spelled(program))]
    return Finding(code, line, f"import {name}", fix, tuple(edits))


def _is_used_publicly(program: Program, module: str) -> bool:
    """Whether what is used of an inner module, imported by a name of its own, is in rehub."""
    names = [program.qualified(node) for node, _ in program.hub_uses]
    used = [name[len(module) + 1 :].partition(".")[0] for name in names if name.startswith(module)]
    return bool(used) and PUBLIC.issuperset(used)


def _is_bound_otherwise(program: Program) -> bool:
    """Whether the name is given to something else, too, as where the module may be missing."""
    uses = set(_spelled(program))
    others = [node for node in program.all(cst.Name) if node.value == _OLD and node not in uses]
    return any(not isinstance(program.parent(node), cst.Attribute | cst.Arg) for node in others)


def _spelled(program: Program) -> list[cst.Name]:
    """Returns the places where the module is called by its own name."""
    found = []
    for node, _ in program.hub_uses:
        first: cst.BaseExpression = node
        while isinstance(first, cst.Attribute):
            first = first.value
        if isinstance(first, cst.Name) and first.value == _OLD:
            found.append(first)
    return found


def _import_from(program: Program, clause: cst.ImportFrom) -> Finding:
    module, line = dotted(clause.module), program.line(clause)
    if isinstance(clause.names, cst.ImportStar):
        fix = "import the names that are used; rehub has others besides, such as inspect"
        return Finding("M108", line, f"from {module} import *", fix)
    names = [dotted(alias.name) for alias in clause.names]
    unknown = [name for name in names if name not in PUBLIC]
    inner = module.partition(".")[2]
    for name in [inner] if inner else unknown:
        if name.partition(".")[0] not in INNER_MODULES | {"__version__"}:
            return _absent(line, name)
    if unknown:
        what = f"from {module} import {', '.join(unknown)}: not public"
        return Finding("M104", line, what, ALIAS)
    assert clause.module is not None
    code = "M101" if module == _OLD else "M103"
    what, fix = (f"from {place} import {', '.join(names)}" for place in (module, _NEW))
    return Finding(code, line, what, fix, (program.replacing(clause.module, _NEW),))


def _texts(program: Program) -> Iterator[Finding]:
    for node in program.all(cst.SimpleString):
        value = string(node)
        if value is None or value.partition(".")[0] != _OLD or not value.replace(".", "_").isidentifier():
            continue
        finding = _text(program, node, value)
        if finding is not None:
            yield finding


def _text(program: Program, node: cst.SimpleString, value: str) -> Finding | None:
    line, name, call = program.line(node), value[len(_OLD) + 1 :], _called_with(program, node)
    function = dotted(call.func).rpartition(".")[2] if call else ""
    if function in _IMPORTERS:
        if name:
            return Finding("M102", line, f'{function}("{value}") is of an inner module', ALIAS)
        return Finding("M102", line, f'{function}("{value}")', f'{function}("{_NEW}")', (_renamed(program, node),))
    is_annotation = any(isinstance(above, cst.Annotation) for above in program.around(node))
    if (function in _PATCHERS or is_annotation) and name.partition(".")[0] in PUBLIC:
        new = f"{_NEW}.{name}"
        if is_annotation:
            return Finding("M107", line, f'the annotation "{value}"', f'"{new}"', (_renamed(program, node),))
        return Finding("M107", line, f'{function}("{value}")', f'{function}("{new}")', (_renamed(program, node),))
    if function in _PATCHERS or isinstance(program.parent(node), cst.Index):
        return Finding("M107", line, f'the text "{value}"', "name rehub, or the module that the name comes from there")
    return None


def _called_with(program: Program, node: cst.SimpleString) -> cst.Call | None:
    above = program.parent(node)
    call = program.parent(above) if isinstance(above, cst.Arg) else None
    return call if isinstance(call, cst.Call) else None


def _renamed(program: Program, node: cst.SimpleString) -> Edit:
    start = program.span(node)[0] + len(node.prefix) + len(node.quote)
    return Edit(start, start + len(_OLD), _NEW)
