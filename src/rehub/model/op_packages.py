"""Which ops TensorFlow has built in, and which package brings the others.

``core_ops.txt`` is the union over the releases that it names in its first line; ``scripts/list_core_ops.py`` writes it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from importlib import resources


@dataclasses.dataclass(frozen=True)
class OpPackage:
    """A package that registers ops when it is imported.

    Attributes:
        name: What ``pip install`` knows it by.
        module: What ``import`` knows it by.
    """

    name: str
    module: str


@functools.cache
def core_ops() -> Mapping[str, str]:
    """Returns the ops that TensorFlow 2.15 to 2.21 have built in, and the dtype of the first output of each.

    The dtype is a number; or the name of the attribute that holds it, and the number behind that where an absent
    attribute has one; or empty.
    """
    lines = resources.files("rehub.model").joinpath("core_ops.txt").read_text(encoding="utf-8").splitlines()
    return {name: output for name, _, output in (line.partition(" ") for line in lines if not line.startswith("#"))}


def package_of(op: str) -> OpPackage | None:
    """Returns the package that brings an op; None for one that is built in, or that nobody knows.

    Args:
        op: Its type, such as ``TFText>FastSentencepieceTokenize``.
    """
    if op in core_ops():
        return None
    if op in _BY_NAME:
        return _BY_NAME[op]
    return next((package for prefix, package in _BY_PREFIX.items() if op.startswith(prefix)), None)


_TEXT = OpPackage("tensorflow-text", "tensorflow_text")
_IO = OpPackage("tensorflow-io", "tensorflow_io")
_COMPRESSION = OpPackage("tensorflow-compression", "tensorflow_compression")
_STRUCT2TENSOR = OpPackage("struct2tensor", "struct2tensor")
_SENTENCEPIECE = OpPackage("tf-sentencepiece", "tf_sentencepiece")

# Source of all names: the REGISTER_OP calls of each project, and the wheels of those without public source.
_BY_PREFIX: Mapping[str, OpPackage] = {
    "TFText>": _TEXT,
    "Addons>": OpPackage("tensorflow-addons", "tensorflow_addons"),
    "IO>": _IO,
    "Bigtable": _IO,
    "TFRA>": OpPackage("tensorflow-recommenders-addons", "tensorflow_recommenders_addons"),
    "Tfra": OpPackage("tensorflow-recommenders-addons", "tensorflow_recommenders_addons"),
    "SimpleML": OpPackage("tensorflow-decision-forests", "tensorflow_decision_forests"),
    "Yggdrasil": OpPackage("tensorflow-decision-forests", "tensorflow_decision_forests"),
    "Scann>": OpPackage("scann", "scann"),
    "Reverb": OpPackage("dm-reverb", "reverb"),
    "Tfq": OpPackage("tensorflow-quantum", "tensorflow_quantum"),
    "Lce": OpPackage("larq-compute-engine", "larq_compute_engine"),
    "Horovod": OpPackage("horovod", "horovod.tensorflow"),
    "DecodeProtoSparse": _STRUCT2TENSOR,
    "DecodeProtoMap": _STRUCT2TENSOR,
    "EquiJoin": _STRUCT2TENSOR,
    # Those of tensorflow-text come first, by name.
    "Sentencepiece": _SENTENCEPIECE,
}

_BY_NAME: Mapping[str, OpPackage] = {
    **dict.fromkeys(
        (
            "CaseFoldUTF8",
            "ConstrainedSequence",
            "FindSourceOffsets",
            "MaxSpanningTree",
            "NormalizeUTF8",
            "NormalizeUTF8WithOffsetsMap",
            "RegexSplitWithOffsets",
            "RougeL",
            "SentenceFragments",
            "SentencepieceDetokenizeOp",
            "SentencepieceIdToStringOp",
            "SentencepieceOp",
            "SentencepieceStringToIdOp",
            "SentencepieceTokenizeOp",
            "SentencepieceTokenizeWithOffsetsOp",
            "SentencepieceVocabSizeOp",
            "SplitMergeTokenizeWithOffsets",
            "TokenizerFromLogits",
            "UnicodeScriptTokenizeWithOffsets",
            "WhitespaceTokenizeWithOffsets",
            "WordpieceTokenizeWithOffsets",
        ),
        _TEXT,
    ),
    **dict.fromkeys(
        (
            "CreateRangeDecoder",
            "CreateRangeEncoder",
            "EntropyDecodeChannel",
            "EntropyDecodeFinalize",
            "EntropyDecodeIndex",
            "EntropyEncodeChannel",
            "EntropyEncodeFinalize",
            "EntropyEncodeIndex",
            "PmfToQuantizedCdf",
            "RangeDecode",
            "RangeEncode",
            "RunLengthDecode",
            "RunLengthEncode",
            "RunLengthGammaDecode",
            "RunLengthGammaEncode",
            "StochasticRound",
            "UnboundedIndexRangeDecode",
            "UnboundedIndexRangeEncode",
            "Y4MDataset",
        ),
        _COMPRESSION,
    ),
    "ParquetDataset": _STRUCT2TENSOR,
    "RunLengthBefore": _STRUCT2TENSOR,
}
