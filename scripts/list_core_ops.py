"""Adds the ops of the TensorFlow that runs it to src/rehub/model/core_ops.txt.

Run it once in an environment of each release that rehub supports, the newest last; ops that only an older release has
are kept. Behind the name of an op stands the dtype of its first output: a number, or the attribute that holds it, and
the number that it has when the file does not say.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

TARGET = Path(__file__).resolve().parent.parent / "src/rehub/model/core_ops.txt"
HEAD = "# Ops built into TensorFlow "


def registered_ops() -> dict[str, str]:
    """Returns the lines for all ops that this process has, by name."""
    listing = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    return {op.name: f"{op.name} {first_output(op)}".rstrip() for op in listing.op}


def first_output(op: op_def_pb2.OpDef) -> str:
    """Returns the dtype of the first output; empty without one, or for a list of several dtypes."""
    if not op.output_arg or op.output_arg[0].type_list_attr:
        return ""
    output = op.output_arg[0]
    if not output.type_attr:
        return str(output.type)
    (attribute,) = (attribute for attribute in op.attr if attribute.name == output.type_attr)
    return f"{attribute.name} {attribute.default_value.type}" if attribute.default_value.type else attribute.name


def main() -> None:
    """Rewrites the file."""
    lines = TARGET.read_text(encoding="utf-8").splitlines() if TARGET.exists() else [HEAD]
    versions = set(filter(None, lines[0].removeprefix(HEAD).split(", "))) | {tf.__version__}
    ops = {line.partition(" ")[0]: line for line in lines if not line.startswith("#")} | registered_ops()
    head = HEAD + ", ".join(sorted(versions, key=lambda text: [int(part) for part in text.split(".")]))
    TARGET.write_text("\n".join([head, *(ops[name] for name in sorted(ops))]) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(ops)} ops in {TARGET}\n")


if __name__ == "__main__":
    main()
