"""A Python program as libcst reads it: its nodes, where they are, and what their names stand for."""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

import libcst as cst
from libcst import metadata

from rehub.migrate.finding import Edit

Node = TypeVar("Node", bound=cst.CSTNode)
Dotted = cst.Name | cst.Attribute

HUBS = ("tensorflow_hub", "rehub")
_TENSORFLOW = "tensorflow"
_PROVIDERS = (metadata.ByteSpanPositionProvider, metadata.ParentNodeProvider, metadata.ScopeProvider)


class Program:
    """One program, read once.

    Args:
        text: The program.

    Raises:
        cst.ParserSyntaxError: If it is no Python.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        wrapper = metadata.MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        self.module = wrapper.module
        self._content = text.encode()
        self._line_ends = [match.end() for match in re.finditer(rb"\r\n|\r|\n", self._content)]
        wrapper.resolve_many(_PROVIDERS)  # in fewer passes than one by one
        self._spans = wrapper.resolve(metadata.ByteSpanPositionProvider)
        self._parents = wrapper.resolve(metadata.ParentNodeProvider)
        self._scopes = wrapper.resolve(metadata.ScopeProvider)
        collector = _Collector()
        self.module.visit(collector)
        self._nodes = collector.nodes
        self.names = sorted((node for node in self._dotted() if self.qualified(node)), key=self.span)
        self.imported = [*self._imported()]
        self.hub_uses = [(node, name) for node in self.names if (name := self.hub_name(node)) is not None]

    def all(self, kind: type[Node]) -> Sequence[Node]:
        """Returns the nodes of a kind, in their order."""
        return self._nodes[kind]  # type: ignore[return-value]

    @property
    def uses_hub(self) -> bool:
        """Whether the program imports tensorflow_hub or rehub."""
        return any(_is_in(name, hub) for name, _ in self.imported for hub in HUBS)

    def qualified(self, node: cst.CSTNode) -> str:
        """Returns what a name stands for by the imports, such as ``tensorflow_hub.Module``; empty if unknown."""
        scope = self._scopes.get(node)
        names = scope.get_qualified_names_for(node) if scope is not None else ()
        found = sorted(name.name for name in names if name.source is metadata.QualifiedNameSource.IMPORT)
        return next((name for hub in HUBS for name in found if _is_in(name, hub)), found[0] if found else "")

    def hub_name(self, node: cst.CSTNode) -> str | None:
        """Returns the name within tensorflow_hub or rehub, empty for the module itself, None for anything else."""
        name = self.qualified(node)
        hub = next((hub for hub in HUBS if _is_in(name, hub)), None)
        return None if hub is None else name[len(hub) + 1 :]

    def tensorflow_name(self, node: cst.CSTNode) -> str:
        """Returns the name within TensorFlow, such as ``compat.v1.Session``; empty for anything else."""
        name = self.qualified(node)
        return name[len(_TENSORFLOW) + 1 :] if _is_in(name, _TENSORFLOW) else ""

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """Returns the node around a node."""
        return self._parents.get(node)

    def around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yields the nodes around a node, the nearest first."""
        above = self.parent(node)
        while above is not None:
            yield above
            above = self.parent(above)

    def scope(self, node: cst.CSTNode) -> metadata.Scope | None:
        """Returns where the names of a node are looked up."""
        return self._scopes.get(node)

    def literal(self, node: cst.BaseExpression) -> str | None:
        """Returns the text that an expression is, or that a name stands for which is assigned once; None for others."""
        scope = self.scope(node)
        if not isinstance(node, cst.Name) or scope is None:
            return string(node)
        assignments = list(scope[node.value]) if node.value in scope else []
        target = getattr(assignments[0], "node", None) if len(assignments) == 1 else None
        above = self.parent(self.parent(target) or target) if target is not None else None
        return string(above.value) if isinstance(above, cst.Assign) else None

    def line(self, node: cst.CSTNode) -> int:
        """Returns the line of a node, from 1."""
        return bisect.bisect_right(self._line_ends, self.span(node)[0]) + 1

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Returns where a node begins and ends, in bytes of UTF-8."""
        span = self._spans[node]
        return span.start, span.start + span.length

    def code(self, node: cst.CSTNode) -> str:
        """Returns a node as it is written."""
        return self.between(*self.span(node))

    def between(self, start: int, end: int) -> str:
        """Returns a piece of the program, by its place in bytes of UTF-8."""
        return self._content[start:end].decode()

    def replacing(self, node: cst.CSTNode, text: str) -> Edit:
        """Returns the edit that writes something in place of a node."""
        return Edit(*self.span(node), text)

    def end_of_line(self, node: cst.CSTNode) -> int:
        """Returns where the line ends that a node ends in, before its line break."""
        end = self.span(node)[1]
        ends = [place for mark in (b"\n", b"\r") if (place := self._content.find(mark, end)) >= 0]
        return min(ends, default=len(self._content))

    def _imported(self) -> Iterator[tuple[str, cst.CSTNode]]:
        """Yields what import statements name, and where."""
        for statement in self.all(cst.Import):
            yield from ((dotted(alias.name), alias) for alias in statement.names)
        for clause in self.all(cst.ImportFrom):
            if not clause.relative:
                module = dotted(clause.module)
                yield module, clause
                if not isinstance(clause.names, cst.ImportStar):
                    yield from ((f"{module}.{dotted(alias.name)}", clause) for alias in clause.names)

    def _dotted(self) -> Iterator[Dotted]:
        """Yields the names that are not parts of longer ones, outside of import statements."""
        for node in (*self._nodes[cst.Name], *self._nodes[cst.Attribute]):
            above = self.parent(node)
            is_part = isinstance(above, cst.Attribute) or (isinstance(above, cst.Arg) and above.keyword is node)
            if not is_part and dotted(node):
                yield node  # type: ignore[misc]


def _is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


class _Collector(cst.CSTVisitor):
    def __init__(self) -> None:
        self.nodes: dict[type[cst.CSTNode], list[cst.CSTNode]] = defaultdict(list)

    def on_visit(self, node: cst.CSTNode) -> bool:
        self.nodes[type(node)].append(node)
        return not isinstance(node, cst.Import | cst.ImportFrom)  # their names are no uses


def dotted(node: cst.CSTNode | None) -> str:
    """Returns a name with its dots as text; empty for what is none."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute) and (front := dotted(node.value)):
        return f"{front}.{node.attr.value}"
    return ""


def string(node: cst.CSTNode | None) -> str | None:
    """Returns the value of a literal text; None for what is none."""
    if not isinstance(node, cst.SimpleString):
        return None
    value = node.evaluated_value
    return value if isinstance(value, str) else None


def argument(call: cst.Call, name: str, position: int | None = None) -> cst.Arg | None:
    """Returns an argument of a call by its name, or by its position from 0."""
    for index, arg in enumerate(call.args):
        is_named = arg.keyword is not None and arg.keyword.value == name
        if is_named or (arg.keyword is None and not arg.star and index == position):
            return arg
    return None
