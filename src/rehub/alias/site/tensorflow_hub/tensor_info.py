"""What the inputs and outputs of signatures are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rehub.runtime import signature_tensors
from rehub.runtime.signature_tensors import ParsedTensorInfo as ParsedTensorInfo


def parse_tensor_info_map(protomap: Mapping[str, Any]) -> dict[str, ParsedTensorInfo]:
    """Returns what ``TensorInfo`` messages say, by the names of the tensors."""
    return {name: signature_tensors.parse(message) for name, message in protomap.items()}


def tensor_info_proto_maps_match(map_a: Mapping[str, Any], map_b: Mapping[str, Any]) -> bool:
    """Whether the same names stand for tensors of the same kind, dtype and shape."""
    return parse_tensor_info_map(map_a) == parse_tensor_info_map(map_b)


def convert_dict_to_compatible_tensor(values: Mapping[str, Any], targets: Mapping[str, Any]) -> dict[str, Any]:
    """Makes tensors of values.

    Args:
        values: The values, by the names of the inputs.
        targets: The ``TensorInfo`` of each input.

    Raises:
        ArgumentError: If a name is missing or surplus, or a value does not fit.
    """
    return signature_tensors.converted(targets, values)


def build_input_map(protomap: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what to feed, by the names of the tensors in the graph.

    Args:
        protomap: The ``TensorInfo`` of each input.
        inputs: The tensors, by the names of the inputs.

    Raises:
        ArgumentError: If a name is missing or surplus, or a tensor does not fit.
    """
    return signature_tensors.feeds(protomap, inputs)


def build_output_map(protomap: Mapping[str, Any], get_tensor_by_name: Callable[[str], Any]) -> dict[str, Any]:
    """Returns the outputs of a signature.

    Args:
        protomap: The ``TensorInfo`` of each output.
        get_tensor_by_name: Gives a tensor of the graph.
    """
    return signature_tensors.results(protomap, get_tensor_by_name)
