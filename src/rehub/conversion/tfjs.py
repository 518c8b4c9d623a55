"""Models as graph models of TensorFlow.js, by the command ``tensorflowjs_converter``.

The package ``tensorflowjs`` needs an older TensorFlow, and so an environment of its own. No Python package runs what it
writes; TensorFlow itself runs the same graph on the same weights here.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rehub.conversion.converted import SIGNATURE, Converted, write_signature
from rehub.conversion.entry_point import EntryPoint
from rehub.errors import ConversionError, DependencyError
from rehub.runtime.tf_version import import_tensorflow

_COMMAND = "tensorflowjs_converter"
_OPS = re.compile(r"^(?:ValueError: )?Unsupported Ops.*\n(.+)$", re.MULTILINE)


def check_installed() -> None:
    """Raises a DependencyError if the command is not on the search path."""
    if shutil.which(_COMMAND) is None:
        raise DependencyError(
            f"Models of TensorFlow.js are written by {_COMMAND}, which is not on the search path for commands.",
            hint="It needs an older TensorFlow, so give it an environment of its own. Run: uv tool install "
            "tensorflowjs==4.22.0 --with 'setuptools<81' --exclude-newer 2024-12-15 --python 3.11",
            package="tensorflowjs",
        )


def write(obj: Any, entry: EntryPoint, folder: Path, handle: str) -> Converted:
    """Writes a folder; arguments as for `rehub.conversion.tf1_hub.write`.

    Raises:
        ConversionError: If TensorFlow.js lacks ops; it names them.
    """
    with tempfile.TemporaryDirectory(prefix="rehub-") as scratch:
        write_signature(obj, entry, Path(scratch))
        command = [shutil.which(_COMMAND) or _COMMAND, "--input_format=tf_saved_model"]
        done = subprocess.run(  # noqa: S603 - the arguments are our own
            [*command, f"--signature_name={SIGNATURE}", "--saved_model_tags=serve", scratch, str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise _explained(handle, done.stderr)
    return Converted(lambda inputs: _run(folder, inputs))


def _explained(handle: str, output: str) -> ConversionError:
    ops = sorted({op.strip() for found in _OPS.findall(output) for op in found.split(",")})
    if ops:
        return ConversionError(
            f"'{handle}' uses ops that TensorFlow.js does not have: {', '.join(ops)}.",
            hint="Choose a signature without them, or use the model with TensorFlow.",
            ops=tuple(ops),
        )
    last = (output.strip().splitlines() or ["it said nothing"])[-1]
    return ConversionError(
        f"'{handle}' cannot be converted to TensorFlow.js: {_COMMAND} failed: {last}",
        hint=f"Run '{_COMMAND} --version', which fails if its environment is broken; else choose another signature.",
    )


def _run(folder: Path, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Runs the graph and the weights that were written."""
    from google.protobuf import json_format

    tf = import_tensorflow()
    model = json.loads((folder / "model.json").read_text())
    definition = json_format.ParseDict(model["modelTopology"], tf.compat.v1.GraphDef())
    weights = dict(_weights(folder, model["weightsManifest"]))
    for node in definition.node:
        if node.op == "Const" and node.name in weights:
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(weights[node.name]))
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.import_graph_def(definition, name="")
        feeds = {
            graph.get_tensor_by_name(model["signature"]["inputs"][name]["name"]): value.numpy()
            for name, value in inputs.items()
        }
        outputs = {name: each["name"] for name, each in model["signature"]["outputs"].items()}
        found: dict[str, Any] = session.run(outputs, feeds)
        return found


def _weights(folder: Path, manifest: Any) -> Iterator[tuple[str, Any]]:
    """The arrays of the weights by name, which lie one after the other in the files of their group."""
    import numpy as np

    for group in manifest:
        data = b"".join((folder / name).read_bytes() for name in group["paths"])
        place = 0
        for weight in group["weights"]:
            count = math.prod(weight["shape"])
            if weight["dtype"] == "string":
                texts = []
                for _ in range(count):
                    size = int.from_bytes(data[place : place + 4], "little")
                    texts.append(data[place + 4 : place + 4 + size])
                    place += 4 + size
                yield weight["name"], np.array(texts, object).reshape(weight["shape"])
            else:
                dtype = np.dtype(weight["dtype"])
                yield weight["name"], np.frombuffer(data, dtype, count, place).reshape(weight["shape"])
                place += count * dtype.itemsize
