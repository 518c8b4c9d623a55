"""Arrays of TensorFlow 1 (``TensorArrayV3`` and its kin), rewritten to lists of TensorFlow 2.

An array is a resource of one step. A list is a value, so it can pass through functions and their gradients. In a graph
of TensorFlow 1, a number called flow passes from each op of an array to the next to order them; the list takes its
place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehub.model.program import control_inputs, data_inputs
from rehub.model.tensor_arrays import ARRAY, PASSES_ON, flows
from rehub.runtime.tf_version import import_tensorflow

_FLOW_INPUT = {
    "TensorArrayConcatV3": 1,
    "TensorArrayGatherV3": 2,
    "TensorArrayReadV3": 2,
    "TensorArrayScatterV3": 3,
    "TensorArraySizeV3": 1,
    "TensorArraySplitV3": 3,
    "TensorArrayWriteV3": 3,
}


def to_lists(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nodes of a graph by name, those of arrays replaced; the others are the same objects."""
    arrays = _arrays(nodes)
    if not arrays:
        return dict(nodes)
    passing = flows(nodes)
    found: dict[str, Any] = {}
    for name, node in nodes.items():
        if node.op == ARRAY:
            for new in _reserve(node):
                found[new.name] = new
        elif node.op in _FLOW_INPUT:
            for new in _rewritten(node, nodes[arrays[name]]):
                found[new.name] = new
        elif name in passing and node.op in PASSES_ON:
            found[name] = _with_type(node)
        else:
            found[name] = node
    return {name: _rewired(node, nodes) for name, node in found.items()}


def _arrays(nodes: Mapping[str, Any]) -> dict[str, str]:
    """The node that makes the array, for each op of one."""
    found = {}
    for name, node in nodes.items():
        if node.op in _FLOW_INPUT:
            source = data_inputs(node)[0].partition(":")[0]
            while nodes[source].op in PASSES_ON:
                source = data_inputs(nodes[source])[0].partition(":")[0]
            found[name] = source
        elif node.op == ARRAY:
            found[name] = name
    return found


def _new(like: Any, name: str, op: str, inputs: list[str], **attributes: Any) -> Any:
    node = type(like)()
    node.name, node.op = name, op
    node.input.extend(inputs)
    for key, value in attributes.items():
        if isinstance(value, bool):
            node.attr[key].b = value
        elif isinstance(value, int):
            node.attr[key].type = value
        else:
            node.attr[key].CopyFrom(value)
    return node


def _constant(like: Any, name: str, value: Any) -> Any:
    tf = import_tensorflow()
    node = _new(like, name, "Const", [], dtype=tf.int32.as_datatype_enum)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, tf.int32))
    return node


def _shape_of(array: Any) -> Any:
    """The shape of an element; -1 where its rank is unknown."""
    if "element_shape" not in array.attr:  # the default, which exporters strip
        return -1
    shape = array.attr["element_shape"].shape
    return -1 if shape.unknown_rank else [dim.size for dim in shape.dim]


def _reserve(node: Any) -> list[Any]:
    tf = import_tensorflow()
    shape = _constant(node, f"{node.name}/element_shape", _shape_of(node))
    reserve = _new(
        node,
        node.name,
        "TensorListReserve",
        [shape.name, data_inputs(node)[0], *control_inputs(node)],
        element_dtype=node.attr["dtype"].type,
        shape_type=tf.int32.as_datatype_enum,
    )
    return [shape, reserve]


def _rewritten(node: Any, array: Any) -> list[Any]:
    tf = import_tensorflow()
    inputs, dtype = data_inputs(node), array.attr["dtype"].type
    flow, kind = inputs[_FLOW_INPUT[node.op]], node.op.removeprefix("TensorArray").removesuffix("V3")
    shape = _constant(node, f"{node.name}/element_shape", _shape_of(array))
    shape_type = tf.int32.as_datatype_enum
    if kind == "Size":
        return [_new(node, node.name, "TensorListLength", [flow, *control_inputs(node)])]
    if kind == "Read":
        new = _new(node, node.name, "TensorListGetItem", [flow, inputs[1], shape.name], element_dtype=dtype)
    elif kind == "Gather":
        new = _new(node, node.name, "TensorListGather", [flow, inputs[1], shape.name], element_dtype=dtype)
    elif kind == "Write":
        new = _new(node, node.name, "TensorListSetItem", [flow, inputs[1], inputs[2]], element_dtype=dtype)
        if array.attr["dynamic_size"].b:
            new.attr["resize_if_index_out_of_bounds"].b = True
        new.input.extend(control_inputs(node))
        return [new]
    elif kind == "Scatter":
        new = _new(
            node, node.name, "TensorListScatterIntoExistingList", [flow, inputs[2], inputs[1]], element_dtype=dtype
        )
        new.input.extend(control_inputs(node))
        return [new]
    elif kind == "Concat":
        return _concat(node, flow, dtype, shape)
    else:
        new = _new(
            node,
            node.name,
            "TensorListSplit",
            [inputs[1], shape.name, inputs[2]],
            element_dtype=dtype,
            shape_type=shape_type,
        )
    new.input.extend(control_inputs(node))
    return [shape, new]


def _concat(node: Any, flow: str, dtype: int, shape: Any) -> list[Any]:
    tf = import_tensorflow()
    leading = _new(node, f"{node.name}/leading", "Const", [], dtype=tf.int64.as_datatype_enum)
    leading.attr["value"].tensor.CopyFrom(tf.make_tensor_proto([], tf.int64))
    concat = _new(
        node,
        node.name,
        "TensorListConcatV2",
        [flow, shape.name, leading.name, *control_inputs(node)],
        element_dtype=dtype,
        shape_type=tf.int32.as_datatype_enum,
    )
    return [shape, leading, concat]


def _with_type(node: Any) -> Any:
    new = type(node)()
    new.CopyFrom(node)
    new.attr["T"].type = import_tensorflow().variant.as_datatype_enum
    new.attr.pop("_output_shapes", None)
    return new


def _rewired(node: Any, nodes: Mapping[str, Any]) -> Any:
    """Lets a node take the only output of a list where it took the flow, the second output of an array."""
    if not any(
        name.endswith(":1") and nodes.get(name[:-2]) is not None and nodes[name[:-2]].op == ARRAY for name in node.input
    ):
        return node
    new = type(node)()
    new.CopyFrom(node)
    new.input[:] = [
        name[:-2] if name.endswith(":1") and name[:-2] in nodes and nodes[name[:-2]].op == ARRAY else name
        for name in node.input
    ]
    return new
