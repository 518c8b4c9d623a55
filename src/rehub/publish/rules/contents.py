"""Rules about the program that a model is: what it reaches out to, what it needs, and what nobody needs of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehub.model.excerpt import attributes, excerpt, public_names
from rehub.model.op_policy import Finding
from rehub.model.own_assets import texts_of
from rehub.model.program import Program
from rehub.publish.rules.rule import OBJECTS, Found, Rule
from rehub.publish.rules.subject import Subject

_ABSOLUTE = re.compile(rb"(/[^/\s]|[A-Za-z]:[\\/]|[a-z][a-z0-9+.-]*://)[^\0\n]*")
_SHOWN = 3
_FEWEST_UNUSED = 5
"""A few are left by any export."""
_PACKAGE_FIX = "Name the package in the card; or export the model without these ops."


def _python(subject: Subject) -> Iterator[Found]:
    for finding in _findings(subject):
        if finding.reach == "python":
            yield Found(
                _place(finding),
                f"{finding.op} calls Python code, which is not part of the model",
                "Write it with TensorFlow's own ops, and export the model again.",
            )


def _reaches_out(subject: Subject) -> Iterator[Found]:
    for finding in _findings(subject):
        if finding.reach != "python":
            yield Found(
                _place(finding),
                f"{finding.op} reaches out to {finding.reach}: careful users do not load such models",
                "Export the model without it; files that it needs belong to its assets.",
            )


def _absolute(subject: Subject) -> Iterator[Found]:
    for graph, info in zip(subject.graphs, subject.info.meta_graphs, strict=True):
        readers = sorted({finding.op for finding in info.findings if finding.reach == "files"})
        if not readers:
            continue
        for body in Program(graph.message).bodies:
            for node in body.nodes.values():
                for text in sorted(texts_of(node)) if node.op == "Const" else ():
                    if _ABSOLUTE.fullmatch(text):
                        yield Found(
                            body.name or f"the graph, at {node.name}",
                            f"it holds the path {text.decode(errors='replace')!r}, and {', '.join(readers)} may read "
                            "it: no other machine has it",
                            "Make the file an asset: tf.saved_model.Asset, or the initializer of a lookup table.",
                        )


def _packages(subject: Subject) -> Iterator[Found]:
    for graph in subject.info.meta_graphs:
        for package in dict.fromkeys(custom.package for custom in graph.custom_ops if custom.package is not None):
            ops = ", ".join(custom.op for custom in graph.custom_ops if custom.package == package)
            yield Found(ops, f"users have to install {package.name} and to import {package.module}", _PACKAGE_FIX)


def _unknown_ops(subject: Subject) -> Iterator[Found]:
    for graph in subject.info.meta_graphs:
        for custom in graph.custom_ops:
            if custom.package is None:
                yield Found(custom.op, "TensorFlow does not have this op, and no known package brings it", _PACKAGE_FIX)


def _unused(subject: Subject) -> list[Found] | str:
    kept = {*public_names(attributes(subject.message)), "signatures"}
    part = excerpt(subject.message, kept, with_graph=True)
    if part is None:
        return "it is built in an unusual way, so that it is not clear what nobody needs"
    whole = [function.signature.name for function in subject.message.graph_def.library.function]
    needed = {function.signature.name for function in part.message.graph_def.library.function}
    unused = [name for name in whole if name not in needed]
    if len(unused) < _FEWEST_UNUSED:
        return []
    shown = ", ".join(unused[:_SHOWN])
    what = f"{len(unused)} of {len(whole)} are used by nothing that a user can call, and take time to load: {shown} …"
    return [Found("functions", what, "Run 'rehub slim', which writes a copy without them.")]


def _findings(subject: Subject) -> list[Finding]:
    return [finding for graph in subject.info.meta_graphs for finding in graph.findings]


def _place(finding: Finding) -> str:
    return finding.function or f"the graph, at {finding.node}"


RULES = (
    Rule("E403", "No op calls Python code.", _python),
    Rule("W404", "No op touches files, the network or processes.", _reaches_out),
    Rule("E405", "What is read from files are assets, no paths of the publisher's machine.", _absolute),
    Rule("W406", "No op comes from a package besides TensorFlow.", _packages),
    Rule("E407", "Every op is one of TensorFlow or of a known package.", _unknown_ops),
    Rule("W408", "Every function is used by something that can be called.", _unused, OBJECTS),
)
