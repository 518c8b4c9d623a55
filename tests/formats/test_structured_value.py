from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format

from rehub.formats import schema
from rehub.formats.structured_value import decode
from rehub.signature import TensorSpec, describe

RAGGED = """type_spec_value {
  type_spec_class: RAGGED_TENSOR_SPEC
  type_spec_class_name: "RaggedTensorSpec"
  type_state { tuple_value {
    values { tensor_shape_value { dim { size: -1 } dim { size: -1 } } }
    values { tensor_dtype_value: DT_INT32 }
    values { int64_value: 1 }
  } }
}"""
SPARSE = RAGGED.replace("RAGGED_TENSOR_SPEC", "SPARSE_TENSOR_SPEC")


def value(text: str) -> Any:
    return text_format.Parse(text, schema.message("tensorflow.StructuredValue")(), descriptor_pool=schema.pool())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("none_value {}", None),
        ("bool_value: true", True),
        ("int64_value: -7", -7),
        ("float64_value: 0.5", 0.5),
        ('string_value: "a"', "a"),
        ("list_value { values { bool_value: false } values {} }", [False, None]),
        ("tuple_value { values { int64_value: 1 } }", (1,)),
        ('named_tuple_value { name: "P" values { key: "x" value { int64_value: 2 } } }', (2,)),
        (
            'dict_value { fields { key: "b" value {} } fields { key: "a" value { int64_value: 1 } } }',
            {"a": 1, "b": None},
        ),
        ("tensor_shape_value { dim { size: -1 } dim { size: 3 } }", "TensorShape([None, 3])"),
        ("tensor_shape_value { unknown_rank: true }", "TensorShape(None)"),
        ("tensor_dtype_value: DT_HALF", "tf.float16"),
        ("numpy_value { dtype: DT_INT64 tensor_shape { dim { size: 2 } } }", "<int64[2]>"),
        (
            'tensor_spec_value { name: "x" dtype: DT_FLOAT shape { dim { size: 2 } } }',
            TensorSpec("float32", (2,), "x"),
        ),
        (
            'bounded_tensor_spec_value { name: "x" dtype: DT_UINT8 shape { unknown_rank: true } }',
            TensorSpec("uint8", None, "x"),
        ),
        (RAGGED, TensorSpec("int32", (None, None), kind="ragged")),
        (SPARSE, TensorSpec("int32", (None, None), kind="sparse")),
        (
            'type_spec_value { type_spec_class: EXTENSION_TYPE_SPEC type_spec_class_name: "Mask" }',
            TensorSpec("Mask", None, kind="other"),
        ),
    ],
)
def test_decode_gives_the_value(text: str, expected: object) -> None:
    decoded = decode(value(text))
    assert decoded == expected
    assert type(decoded) is type(expected)


def test_decode_sorts_dicts() -> None:
    fields = "".join(f'fields {{ key: "{key}" value {{}} }}' for key in ("b", "c", "a"))
    assert list(decode(value(f"dict_value {{ {fields} }}"))) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("nest", "expected"),
    [
        (TensorSpec("float32", (None, 3)), "float32[?, 3]"),
        ((TensorSpec("int32", None, kind="ragged"), []), "(ragged int32[...], [])"),
        ([{"a": TensorSpec("string", ()), "b": True}], "[{'a': string[], 'b': True}]"),
        (None, "None"),
        ("text", "'text'"),
    ],
)
def test_describe_writes_nests_as_python_would(nest: object, expected: str) -> None:
    assert describe(nest) == expected
