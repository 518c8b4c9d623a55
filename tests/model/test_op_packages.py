from __future__ import annotations

import pytest

from rehub.model.op_packages import core_ops, package_of


@pytest.mark.parametrize(
    ("op", "package", "module"),
    [
        ("TFText>FastWordpieceTokenizeWithOffsets", "tensorflow-text", "tensorflow_text"),
        ("SentencepieceTokenizeOp", "tensorflow-text", "tensorflow_text"),
        ("SentencepieceEncodeSparse", "tf-sentencepiece", "tf_sentencepiece"),
        ("CaseFoldUTF8", "tensorflow-text", "tensorflow_text"),
        ("Addons>Resampler", "tensorflow-addons", "tensorflow_addons"),
        ("IO>DecodeWebP", "tensorflow-io", "tensorflow_io"),
        ("TFRA>CuckooHashTableFind", "tensorflow-recommenders-addons", "tensorflow_recommenders_addons"),
        ("SimpleMLInferenceOpWithHandle", "tensorflow-decision-forests", "tensorflow_decision_forests"),
        ("DecodeProtoSparseV4", "struct2tensor", "struct2tensor"),
        ("EntropyDecodeIndex", "tensorflow-compression", "tensorflow_compression"),
    ],
)
def test_package_of_names_what_brings_an_op(op: str, package: str, module: str) -> None:
    found = package_of(op)
    assert found is not None
    assert (found.name, found.module) == (package, module)


@pytest.mark.parametrize("op", ["MatMul", "DecodeProtoV2", "StatefulPartitionedCall", "NobodyKnowsThisOp", ""])
def test_package_of_is_none_when_an_op_is_built_in_or_unknown(op: str) -> None:
    assert package_of(op) is None


def test_core_ops_hold_those_of_old_and_new_releases() -> None:
    assert {"MatMul", "VarHandleOp", "XlaCallModule", "_Arg"} <= core_ops().keys()
    assert len(core_ops()) > 1900
    assert not any(" " in op or op.startswith("#") for op in core_ops())


@pytest.mark.parametrize(("op", "output"), [("MatMul", "T"), ("Equal", "10"), ("Shape", "out_type 3"), ("NoOp", "")])
def test_core_ops_tell_the_dtype_of_the_first_output(op: str, output: str) -> None:
    assert core_ops()[op] == output
