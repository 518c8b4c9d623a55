"""Models as files in ONNX, by tf2onnx; compared by onnxruntime."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rehub.conversion.converted import Converted, check_dense
from rehub.conversion.entry_point import EntryPoint
from rehub.errors import ConversionError, DependencyError
from rehub.runtime.tf_version import import_tensorflow


def check_installed() -> None:
    """Raises a DependencyError if tf2onnx is not installed."""
    if importlib.util.find_spec("tf2onnx") is None:
        raise DependencyError(
            "ONNX files are written by tf2onnx, which is not installed.",
            hint="Run: pip install 'rehub[onnx]'",
            package="tf2onnx",
        )


def write(obj: Any, entry: EntryPoint, path: Path, handle: str) -> Converted:
    """Writes a file; arguments as for `rehub.conversion.tf1_hub.write`.

    An input that is called like an output gets ``_input`` at the end of its name.

    Raises:
        ConversionError: If ONNX, or tf2onnx, lacks ops; it names them.
    """
    import tf2onnx

    tf = import_tensorflow()
    check_dense(entry, "takes inputs", entry.specs)
    names = list(entry.specs)
    function = tf.function(lambda *inputs: entry.call(dict(zip(names, inputs, strict=True))), autograph=False)
    outputs = function.get_concrete_function(*entry.specs.values()).structured_outputs
    check_dense(entry, "gives outputs", outputs)
    # All names in a file of ONNX differ, also those of inputs and outputs.
    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, f"{name}_input" if name in outputs else name)
        for name, spec in entry.specs.items()
    ]
    with _quiet():
        try:
            model, _ = tf2onnx.convert.from_function(function, input_signature=specs)
            content = model.SerializeToString()
        except Exception as error:  # tf2onnx has no class for it
            raise ConversionError(
                f"'{handle}' cannot be converted to ONNX: {error}.",
                hint="Choose another signature, or use the model with TensorFlow.",
            ) from error
    _check_ops(model, handle)
    path.write_bytes(content)
    if importlib.util.find_spec("onnxruntime") is None:
        return Converted(None, "onnxruntime is not installed")
    return Converted(lambda inputs: _run(content, names, inputs))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps tf2onnx from reporting what an error will say."""
    log = logging.getLogger("tf2onnx")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _check_ops(model: Any, handle: str) -> None:
    """Looks for ops of TensorFlow, which tf2onnx leaves as they are where it knows no others."""
    import onnx

    versions = {each.domain: each.version for each in model.opset_import}
    bodies = [model.graph, *model.functions]
    unknown = set[str]()
    while bodies:
        for node in bodies.pop().node:
            bodies += [attribute.g for attribute in node.attribute if attribute.HasField("g")]
            if not onnx.defs.has(node.op_type, versions.get(node.domain, 1), node.domain):
                unknown.add(node.op_type)
    if unknown:
        ops = tuple(sorted(unknown))
        raise ConversionError(
            f"'{handle}' uses ops that ONNX, or tf2onnx, does not have: {', '.join(ops)}.",
            hint="Choose a signature without them, or use the model with TensorFlow.",
            ops=ops,
        )


def _run(content: bytes, names: list[str], inputs: Mapping[str, Any]) -> dict[str, Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feeds = {given.name: inputs[name].numpy() for name, given in zip(names, session.get_inputs(), strict=True)}
    outputs = [output.name for output in session.get_outputs()]
    return dict(zip(outputs, session.run(None, feeds), strict=True))
