"""Ops that reach out of a model: to files, the network, processes or Python.

What every SavedModel does is not reported: writing and reading its own checkpoint, and reading its own assets.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rehub.model.op_packages import OpPackage, core_ops, package_of
from rehub.model.own_assets import OwnAssets, texts_of
from rehub.model.program import CHECKPOINT_OPS, Body, Program, data_inputs, node_of

Reach = Literal["files", "network", "processes", "python"]


_FILES: Mapping[str, tuple[int, ...]] = {
    "InitializeTableFromTextFile": (1,),
    "InitializeTableFromTextFileV2": (1,),
    "ReadFile": (0,),
    "MatchingFiles": (0,),
    "MatchingFilesDataset": (0,),
    "ExperimentalMatchingFilesDataset": (0,),
    "TextLineDataset": (0,),
    "TFRecordDataset": (0,),
    "TFRecordDatasetV2": (0,),
    "FixedLengthRecordDataset": (0,),
    "FixedLengthRecordDatasetV2": (0,),
    "CSVDataset": (0,),
    "CSVDatasetV2": (0,),
    "ExperimentalCSVDataset": (0,),
    "LMDBDataset": (0,),
    "ExperimentalLMDBDataset": (0,),
    "GenerateVocabRemapping": (0, 1),
    "LoadAndRemapMatrix": (0,),
    **dict.fromkeys(
        (
            "CalibrationStatisticsSaver",
            "CreateSummaryDbWriter",
            "CreateSummaryFileWriter",
            "DatasetToTFRecord",
            "DistributedSave",
            "DTensorRestoreV2",
            "DumpTensor",
            "ExperimentalDatasetToTFRecord",
            "ExperimentalSqlDataset",
            "FileSystemSetConfiguration",
            "FixedLengthRecordReader",
            "FixedLengthRecordReaderV2",
            "ImmutableConst",
            "ListSnapshotChunksDataset",
            "LMDBReader",
            "LoadDataset",
            "RecordInput",
            "SaveDataset",
            "SaveDatasetV2",
            "Skipgram",
            "SnapshotChunkDataset",
            "SnapshotDataset",
            "SnapshotDatasetReader",
            "SnapshotDatasetV2",
            "SnapshotNestedDatasetReader",
            "SqlDataset",
            "TextLineReader",
            "TextLineReaderV2",
            "TFRecordReader",
            "TFRecordReaderV2",
            "WholeFileReader",
            "WholeFileReaderV2",
            "WriteFile",
        ),
        (),
    ),
}
"""Ops that touch files, with the inputs that name them; none where the names come otherwise, or the op writes."""

_OTHERS: Mapping[str, Reach] = {
    **dict.fromkeys(("EagerPyFunc", "PyFunc", "PyFuncStateless"), "python"),
    **dict.fromkeys(("Abort", "RemoteFusedGraphExecute"), "processes"),
    **dict.fromkeys(
        (
            "DataServiceDataset",
            "DataServiceDatasetV2",
            "DataServiceDatasetV3",
            "DataServiceDatasetV4",
            "RegisterDataset",
            "RegisterDatasetV2",
            "RemoteCall",
            "RpcCall",
            "RpcClient",
            "RpcServer",
            "RpcServerRegister",
            "RpcServerStart",
        ),
        "network",
    ),
}

_CACHES = frozenset({"CacheDataset", "CacheDatasetV2"})
"""Ops that write files, unless the name of the file is empty."""

_PROTO_FILE = ("descriptor_source", re.compile(rb"(?!local://\Z|bytes://).", re.DOTALL))
_BY_ATTRIBUTE: Mapping[str, tuple[str, re.Pattern[bytes]]] = {
    "DecodeProtoV2": _PROTO_FILE,
    "EncodeProto": _PROTO_FILE,
    "FixedUnigramCandidateSampler": ("vocab_file", re.compile(b".", re.DOTALL)),
    "PrintV2": ("output_stream", re.compile(b"file:")),
}
"""Ops that touch files when an attribute begins in a certain way."""

_NETWORK_PREFIXES = ("Bigtable", "Horovod", "Reverb")
_FILE_SUFFIXES = ("FromFileSystem", "OnFile", "ToFileSystem")
_IO = "IO>"
_IO_CODECS = ("Audio", "Decode", "Draw", "Encode", "List", "Order", "Parse", "RE2")
_IO_SERVICES = (
    "ArrowStream",
    "BigQuery",
    "Elasticsearch",
    "GRPC",
    "Kafka",
    "Kinesis",
    "MongoDB",
    "Prometheus",
    "PubSub",
    "Pulsar",
    "Sql",
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """An op that reaches out of the model.

    Attributes:
        op: Its type.
        reach: What it may touch.
        function: The function that holds it; empty for the graph itself.
        node: The first node of this type there.
        count: How many there are.
    """

    op: str
    reach: Reach
    function: str
    node: str
    count: int


@dataclasses.dataclass(frozen=True)
class CustomOp:
    """An op that TensorFlow does not have built in.

    Attributes:
        op: Its type.
        count: How many nodes are of this type.
        package: What has to be installed and imported to run it; None for an op that nobody knows.
    """

    op: str
    count: int
    package: OpPackage | None


def count_ops(program: Program) -> Mapping[str, int]:
    """Returns how many nodes of each type a graph and its functions hold, sorted by type; calls are no ops."""
    counts = collections.Counter(
        node.op for body in program.bodies for node in body.nodes.values() if node.op not in program.functions
    )
    return dict(sorted(counts.items()))


def custom_ops(counts: Mapping[str, int]) -> tuple[CustomOp, ...]:
    """Returns those of the ops that TensorFlow 2.15 to 2.21 do not have built in.

    Args:
        counts: As `count_ops` returns them.
    """
    return tuple(CustomOp(op, count, package_of(op)) for op, count in counts.items() if op not in core_ops())


def findings(program: Program) -> tuple[Finding, ...]:
    """Returns what reaches out of the model: one for each type of op in each function, in their order."""
    found: dict[tuple[str, str], Finding] = {}
    assets = OwnAssets(program)
    for body in program.bodies:
        for node in body.nodes.values():
            reach = _reach(assets, body, node)
            if reach is None:
                continue
            known = found.get((body.name, node.op))
            found[body.name, node.op] = (
                Finding(node.op, reach, body.name, node.name, 1)
                if known is None
                else dataclasses.replace(known, count=known.count + 1)
            )
    return tuple(found.values())


def _reach(assets: OwnAssets, body: Body, node: Any) -> Reach | None:
    op, program = node.op, assets.program
    if op in program.functions:
        return None
    if op in CHECKPOINT_OPS:
        return "files" if program.is_in_use(body, node) else None
    if op in _FILES:
        places = _FILES[op]
        is_own = bool(places) and all(assets.lead_to(body, node, place) for place in places)
        return None if is_own else "files"
    if op in _CACHES:
        return None if _is_empty_text(program, body, node, 1) else "files"
    if op in _BY_ATTRIBUTE:
        attribute, pattern = _BY_ATTRIBUTE[op]
        texts = _texts(node, attribute)
        return "files" if texts is None or any(map(pattern.match, texts)) else None
    if op.startswith("Debug") and "debug_urls" in node.attr:
        return _reach_of_urls(_texts(node, "debug_urls"))
    return _OTHERS.get(op) or _reach_of_custom(op)


def _texts(node: Any, attribute: str) -> Sequence[bytes] | None:
    """The texts of an attribute; None in a function whose callers set it."""
    value = node.attr.get(attribute)
    if value is None:
        return ()
    if value.WhichOneof("value") == "placeholder":
        return None
    return [*value.list.s, value.s]


def _reach_of_urls(urls: Sequence[bytes] | None) -> Reach | None:
    if urls is None:
        return "network"
    if not any(urls):
        return None
    return "files" if all(url.startswith(b"file:") for url in urls if url) else "network"


def _reach_of_custom(op: str) -> Reach | None:
    """What an op of a package touches, by its name: of tensorflow-io, all but the codecs touch files or services."""
    if op.startswith(_NETWORK_PREFIXES):
        return "network"
    if op.startswith(_IO):
        if any(service in op for service in _IO_SERVICES):
            return "network"
        return None if op.removeprefix(_IO).startswith(_IO_CODECS) else "files"
    return "files" if op.endswith(_FILE_SUFFIXES) else None


def _is_empty_text(program: Program, body: Body, node: Any, place: int) -> bool:
    """Whether an input is a constant without any text."""
    inputs = data_inputs(node)
    source = body.nodes.get(node_of(inputs[place])) if place < len(inputs) else None
    is_constant = source is not None and source.op == "Const" and source.op not in program.functions
    return is_constant and not any(texts_of(source))
