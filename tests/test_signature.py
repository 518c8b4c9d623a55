from __future__ import annotations

import pytest

from rehub.signature import Signature, TensorSpec


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (TensorSpec("float32", (None, 64, 64, 1)), "float32[?, 64, 64, 1]"),
        (TensorSpec("int64", ()), "int64[]"),
        (TensorSpec("string", None), "string[...]"),
        (TensorSpec("float32", (None, None), kind="ragged"), "ragged float32[?, ?]"),
        (TensorSpec("float32", (None, 4), kind="sparse"), "sparse float32[?, 4]"),
        (TensorSpec("Masked", None, kind="other"), "Masked[...]"),
    ],
)
def test_tensor_spec_reads_as_dtype_and_shape(spec: TensorSpec, text: str) -> None:
    assert str(spec) == text


def test_signature_reads_as_a_function() -> None:
    image = TensorSpec("float32", (None, 8), "image")
    scores = TensorSpec("float32", (None, 3), "scores")
    assert (
        str(Signature("classify", (image,), (scores,))) == "classify(image: float32[?, 8]) -> (scores: float32[?, 3])"
    )
    assert str(Signature("constant", (), (scores,))) == "constant() -> (scores: float32[?, 3])"
