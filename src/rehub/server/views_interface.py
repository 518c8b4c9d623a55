"""What a model's interface looks like on a page, out of the document that ``rehub inspect --json`` prints.

The document may be an older or newer release's, so what it lacks is left out rather than missed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from rehub.model.functions import Function, Parameter, Trace
from rehub.signature import TensorSpec
from rehub.words import count, size

FORMATS = {
    "tf1_hub": "TF1 Hub format",
    "saved_model_1": "SavedModel (TensorFlow 1)",
    "saved_model_2": "SavedModel (TensorFlow 2)",
    "tflite": "LiteRT (TensorFlow Lite)",
    "tfjs": "TensorFlow.js",
}
"""What people call the formats of ``rehub inspect``, and those of other programs."""

_CALL = "__call__"
_KERAS_INSIDE = re.compile(r"\.|^call_and_return_|^layer_with_weights-|^_")
"""What Keras leaves in a model beside what its publisher named, and what is deeper than one level."""
_PREFERRED = ("default", "serving_default")
_PARSES = ("ParseExample", "ParseSingleExample", "DecodeProto", "ParseTensor")
_SPEC = frozenset({"dtype", "shape", "name", "kind"})
_REACHES = {
    "files": "Reads or writes files",
    "network": "Opens network connections",
    "processes": "Starts or ends processes",
    "python": "Runs Python code",
}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One input or output: ``kind`` is empty for a dense tensor."""

    name: str
    dtype: str
    shape: str
    kind: str


@dataclasses.dataclass(frozen=True)
class SignatureView:
    """One signature; ``note`` tells which of several graphs has it."""

    name: str
    note: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclasses.dataclass(frozen=True)
class FunctionView:
    """One function: how it is written, and how it can be called."""

    path: str
    text: str
    traces: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Example:
    """One way to call a model, by which its code to copy is made.

    Attributes:
        signature: The signature to call; empty for the model itself.
        inputs: What it takes: a tensor, or a nest of them, a dict for a signature; None where nobody knows.
        output: The tensor that a layer of it returns; None where it returns several, or nobody knows.
        tags: What its graph has to be chosen by; empty where there is no choice.
    """

    signature: str = ""
    inputs: Any = None
    output: TensorSpec | None = None
    tags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class SubObject:
    """A part of the model that can be used by itself."""

    path: str
    what: str


@dataclasses.dataclass(frozen=True)
class VariableView:
    """One variable; ``size_bytes`` is 0 where it is not known."""

    name: str
    type: str
    size_bytes: int
    size: str
    is_trainable: bool


@dataclasses.dataclass(frozen=True)
class FindingView:
    """Ops that reach out of the model."""

    reach: str
    op: str
    count: str
    where: str


@dataclasses.dataclass(frozen=True)
class Need:
    """A package without which the model does not run; ``package`` is empty where nobody knows it."""

    package: str
    module: str
    ops: str


@dataclasses.dataclass(frozen=True)
class Interface:
    """What can be told of a model without running it.

    Attributes:
        format: As in `FORMATS`; empty where nothing is known.
        keras: The Keras whose layers it holds, or empty.
        tensorflow: The releases that wrote it.
        tags: The tags of each graph.
        signatures: Those of all graphs, each once.
        functions: What the loaded object can do.
        ways: How it can be called for inference, the way that is meant first: itself, then signatures.
        image_size: Height and width of the images that its publisher says it takes; None where nobody says it.
        sub_objects: Named parts of it that can be called, or hold variables.
        variables: The largest first.
        spare_variables: How many variables belong to an optimizer, or are copies.
        regularization_losses: How many there are.
        assets: The files it reads.
        attachments: The names of attached messages.
        findings: What reaches out.
        needs: What has to be installed.
        missing_files: What its folder lacks.
        op_types: How many types of ops there are, and how many nodes.
    """

    format: str
    keras: str
    tensorflow: str
    tags: tuple[str, ...]
    signatures: tuple[SignatureView, ...]
    functions: tuple[FunctionView, ...]
    ways: tuple[Example, ...]
    image_size: tuple[int, int] | None
    sub_objects: tuple[SubObject, ...]
    variables: tuple[VariableView, ...]
    spare_variables: int
    regularization_losses: int
    assets: tuple[str, ...]
    attachments: tuple[str, ...]
    findings: tuple[FindingView, ...]
    needs: tuple[Need, ...]
    missing_files: tuple[str, ...]
    op_types: str

    @property
    def format_name(self) -> str:
        """For people."""
        return FORMATS.get(self.format, "Unknown format")

    @property
    def call(self) -> FunctionView | None:
        """The call of the model itself, if it has one."""
        return next((function for function in self.functions if function.path == _CALL), None)

    @property
    def example(self) -> Example:
        """The way to call it that is meant."""
        return self.ways[0]

    @property
    def is_fine_tunable(self) -> bool:
        """Whether there is something to train, and a way through which it can be trained."""
        can_run = self.call is not None if self.format == "saved_model_2" else bool(self.signatures)
        return can_run and any(variable.is_trainable for variable in self.variables)

    @property
    def variables_bytes(self) -> int:
        """Of all variables."""
        return sum(variable.size_bytes for variable in self.variables)


def read_interface(document: Mapping[str, Any]) -> Interface:
    """Reads the document of a model."""
    graphs = _mappings(document.get("meta_graphs"))
    findings = {_finding(found): None for graph in graphs for found in _mappings(graph.get("findings"))}
    ops: dict[str, int] = {}
    for graph in graphs:
        for op, number in _mapping(graph.get("ops")).items():
            ops[op] = ops.get(op, 0) + _number(number)
    writers = {_text(graph.get("tensorflow_version")): None for graph in graphs}
    return Interface(
        format=_text(document.get("format")),
        keras=_text(document.get("keras")),
        tensorflow=", ".join(filter(None, writers)),
        tags=tuple(", ".join(_texts(graph.get("tags"))) for graph in graphs),
        signatures=tuple(_signatures(graphs)),
        functions=tuple(_function(found) for graph in graphs for found in _mappings(graph.get("functions"))),
        ways=_ways(graphs),
        image_size=_image_size(graphs),
        sub_objects=tuple(_sub_objects(graphs)),
        variables=_variables(graphs),
        spare_variables=sum(len(_mappings(graph.get("spare_variables"))) for graph in graphs),
        regularization_losses=max((_number(graph.get("regularization_losses")) for graph in graphs), default=0),
        assets=tuple(dict.fromkeys(name for graph in graphs for name in _texts(graph.get("assets")))),
        attachments=tuple(
            dict.fromkeys(
                _text(found.get("key") or found.get("name"))
                for graph in graphs
                for found in _mappings(graph.get("attachments"))
            )
        ),
        findings=tuple(findings),
        needs=tuple(_needs(graphs)),
        missing_files=tuple(_texts(document.get("missing_files"))),
        op_types=f"{count(sum(ops.values()), 'op')} of {count(len(ops), 'type')}" if ops else "",
    )


def _signatures(graphs: list[Mapping[str, Any]]) -> Iterable[SignatureView]:
    """Those that graphs have in common are listed once."""
    holders: dict[SignatureView, list[str]] = {}
    for graph in graphs:
        tags = ", ".join(_texts(graph.get("tags"))) or "no tags"
        for found in _mappings(graph.get("signatures")):
            inputs, outputs = (tuple(map(_tensor, _mappings(found.get(side)))) for side in ("inputs", "outputs"))
            holders.setdefault(SignatureView(_text(found.get("name")), "", inputs, outputs), []).append(tags)
    for signature, tags_of in sorted(holders.items(), key=lambda item: item[0].name):
        if len(tags_of) < len(graphs):
            yield dataclasses.replace(signature, note=f"graph with {' and '.join(tags_of)}")
        else:
            yield signature


def _ways(graphs: list[Mapping[str, Any]]) -> tuple[Example, ...]:
    """The call for inference that takes tensors as its first argument only, then signatures; at least one."""
    by_tags = {tuple(_texts(graph.get("tags"))): graph for graph in reversed(graphs)}
    graph = by_tags.get(()) or by_tags.get(("serve",)) or (graphs[0] if graphs else {})
    tags = tuple(_texts(graph.get("tags"))) if len(graphs) > 1 else ()
    found = []
    for function in _mappings(graph.get("functions")):
        if function.get("path") == _CALL:
            trace = _plain_trace(map(_trace, _mappings(function.get("traces"))))
            output = trace.outputs if trace and isinstance(trace.outputs, TensorSpec) else None
            found.append(Example("", trace.arguments[0][1] if trace else None, output, tags))
    signatures = {_text(each.get("name")): each for each in _mappings(graph.get("signatures"))}
    preferred = [name for name in _PREFERRED if name in signatures]
    for name in dict.fromkeys((*preferred, *sorted(signatures))):
        inputs, outputs = (
            {spec.name: spec for spec in map(_spec, _mappings(signatures[name].get(side)))}
            for side in ("inputs", "outputs")
        )
        if any(op.startswith(_PARSES) for op in _mapping(graph.get("ops"))):
            # What is parsed is no text, and nobody can tell what is.
            inputs = {key: _opaque(spec) for key, spec in inputs.items()}
        one = next(iter(outputs.values())) if len(outputs) == 1 else outputs.get("default")
        found.append(Example(name, inputs, one, tags))
    return tuple(found) or (Example(tags=tags),)


def _opaque(spec: TensorSpec) -> TensorSpec:
    return dataclasses.replace(spec, kind="other") if spec.dtype == "string" else spec


def _image_size(graphs: list[Mapping[str, Any]]) -> tuple[int, int] | None:
    for graph in graphs:
        for attached in _mappings(graph.get("attachments")):
            size = tuple(map(_number, _list(attached.get("image_size"))))
            if len(size) == 2 and min(size) > 0:
                return size
    return None


def _plain_trace(traces: Iterable[Trace]) -> Trace | None:
    for trace in traces:
        values = [value for _, value in trace.arguments]
        is_plain = values and values[0] is not None and not any(isinstance(value, TensorSpec) for value in values[1:])
        if is_plain and dict(trace.arguments).get("training") is not True:
            return trace
    return None


def _tensor(values: Mapping[str, Any]) -> Tensor:
    spec = _spec(values)
    text = str(dataclasses.replace(spec, kind="dense"))
    return Tensor(spec.name, spec.dtype, text.removeprefix(spec.dtype), "" if spec.kind == "dense" else spec.kind)


def _spec(values: Mapping[str, Any]) -> TensorSpec:
    shape = values.get("shape")
    axes = tuple(size if isinstance(size, int) else None for size in shape) if isinstance(shape, list) else None
    kind: Any = _text(values.get("kind")) or "dense"
    return TensorSpec(_text(values.get("dtype")), axes, _text(values.get("name")), kind)


def _function(values: Mapping[str, Any]) -> FunctionView:
    parameters = tuple(
        Parameter(
            _text(found.get("name")),
            cast(Any, _text(found.get("kind"))),
            is_required=bool(found.get("is_required", True)),
            default=_specs(found.get("default")),
        )
        for found in _mappings(values.get("parameters"))
    )
    traces = tuple(_trace(found) for found in _mappings(values.get("traces")))
    function = Function(_text(values.get("path")), parameters, ())
    return FunctionView(function.path, str(function), tuple(dict.fromkeys(map(str, traces))))


def _trace(values: Mapping[str, Any]) -> Trace:
    arguments = [pair for pair in _list(values.get("arguments")) if isinstance(pair, list) and len(pair) == 2]
    return Trace(tuple((_text(name), _specs(value)) for name, value in arguments), _specs(values.get("outputs")))


def _specs(value: Any) -> Any:
    """A nest with tensors in the place of what JSON made of them."""
    if isinstance(value, Mapping):
        return _spec(value) if value.keys() == _SPEC else {key: _specs(item) for key, item in value.items()}
    return [_specs(item) for item in value] if isinstance(value, list) else value


def _sub_objects(graphs: list[Mapping[str, Any]]) -> Iterable[SubObject]:
    """Public attributes of the model that can be called: one level deep, as the interface of TF2 has them."""
    for graph in graphs:
        called: dict[str, str] = {}
        for found in _mappings(graph.get("functions")):
            function = _function(found)
            owner, _, name = function.path.rpartition(".")
            if name == _CALL and owner:
                called[owner] = f"callable: {function.text.removeprefix(f'{owner}.')}"
            elif not owner and name != _CALL:
                called[name] = f"function: {function.text}"
        yield from (SubObject(path, what) for path, what in called.items() if not _KERAS_INSIDE.search(path))


def _variables(graphs: list[Mapping[str, Any]]) -> tuple[VariableView, ...]:
    """Each once: the graphs of a module share them."""
    found: dict[str, VariableView] = {}
    for graph in graphs:
        for values in _mappings(graph.get("variables")):
            spec = _spec({**values, "name": "", "kind": "dense"})
            size_bytes = _number(values.get("size_bytes"))
            name = _text(values.get("name")) or _text(values.get("path"))
            is_trainable = values.get("is_trainable") is True
            view = VariableView(name, str(spec), size_bytes, size(size_bytes), is_trainable)
            key = f"{name}\n{_text(values.get('path'))}"
            found[key] = dataclasses.replace(
                view, is_trainable=is_trainable or (key in found and found[key].is_trainable)
            )
    return tuple(sorted(found.values(), key=lambda variable: (-variable.size_bytes, variable.name)))


def _finding(values: Mapping[str, Any]) -> FindingView:
    reach = _text(values.get("reach"))
    function, node = _text(values.get("function")), _text(values.get("node"))
    where = f"function {function}" if function else f"the graph, at {node}"
    return FindingView(_REACHES.get(reach, reach), _text(values.get("op")), f"{_number(values.get('count')):,}", where)


def _needs(graphs: list[Mapping[str, Any]]) -> Iterable[Need]:
    ops: dict[tuple[str, str], dict[str, None]] = {}
    for graph in graphs:
        for found in _mappings(graph.get("custom_ops")):
            package = _mapping(found.get("package"))
            key = _text(package.get("name")), _text(package.get("module"))
            ops.setdefault(key, {})[_text(found.get("op"))] = None
    return (Need(name, module, ", ".join(names)) for (name, module), names in ops.items())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in _list(value) if isinstance(item, Mapping)]


def _texts(value: Any) -> list[str]:
    return [item for item in _list(value) if isinstance(item, str)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
