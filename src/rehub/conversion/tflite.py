"""Models as files of LiteRT, which was called TensorFlow Lite."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehub.conversion.converted import SIGNATURE, Converted, write_signature
from rehub.conversion.entry_point import EntryPoint
from rehub.errors import ConversionError
from rehub.runtime.tf_version import import_tensorflow

_OPS = re.compile(r"^\s*(?:TF Select|Custom) ops: (.+)$", re.MULTILINE)


def write(obj: Any, entry: EntryPoint, path: Path, handle: str) -> Converted:
    """Writes a file with one signature, ``serving_default``; arguments as for `rehub.conversion.tf1_hub.write`.

    Raises:
        ConversionError: If LiteRT lacks ops; it names them.
    """
    tf = import_tensorflow()
    with tempfile.TemporaryDirectory(prefix="rehub-") as folder:
        write_signature(obj, entry, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        try:
            content = converter.convert()
        except Exception as error:  # the converter's own class is private
            raise _explained(handle, error) from error
    path.write_bytes(content)
    return Converted(lambda inputs: _run(content, inputs))


def _run(content: bytes, inputs: Mapping[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the interpreter is to move to a package of its own
        interpreter = import_tensorflow().lite.Interpreter(model_content=content)
    runner = interpreter.get_signature_runner(SIGNATURE)
    outputs: dict[str, Any] = runner(**{name: value.numpy() for name, value in inputs.items()})
    return outputs


def _explained(handle: str, error: Exception) -> ConversionError:
    ops = sorted({op.strip() for found in _OPS.findall(str(error)) for op in found.split(",")})
    if ops:
        return ConversionError(
            f"'{handle}' uses ops that LiteRT does not have: {', '.join(ops)}.",
            hint="Choose a signature without them, or use the model with TensorFlow.",
            ops=tuple(ops),
        )
    return ConversionError(
        f"'{handle}' cannot be converted to LiteRT: {error}.", hint="Choose another signature, or use TensorFlow."
    )
