"""``rehub convert``: a model in another format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples
from rehub.errors import FormatError

if TYPE_CHECKING:
    from rehub.conversion.convert import Target

_TARGETS = ("reusable", "tf1-hub", "tflite", "onnx", "tfjs")


@click.command(
    "convert",
    epilog=examples(
        "rehub convert https://HUB/PUBLISHER/MODULE/1 model",
        "rehub convert --to tf1-hub path/to/model module",
        "rehub convert --to onnx --signature serving_default path/to/model model.onnx",
        "rehub convert --to tflite --sample inputs.npz path/to/model model.tflite",
    ),
)
@click.argument("handle", shell_complete=cached_handles)
@click.argument("out", type=click.Path())
@click.option(
    "--to",
    type=click.Choice(_TARGETS),
    default="reusable",
    show_default=True,
    help="A SavedModel of TensorFlow 2 that can be fine-tuned, of a model of TensorFlow 1; a module in the TF1 Hub "
    "format, of a SavedModel; a file for LiteRT (TensorFlow Lite); a file in ONNX, by tf2onnx; a graph model of "
    "TensorFlow.js, by tensorflowjs_converter.",
)
@click.option("--tags", metavar="TAG,…", help="The graph to convert, of a model with several; '' for the one without.")
@click.option(
    "--signature",
    metavar="NAME",
    help="The signature to convert, instead of the call of the model, or its default signature. With 'reusable' and "
    "'tf1-hub' the others stay beside it.",
)
@click.option(
    "--sample",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A .npz file with arrays for the inputs, by name, to compare the outputs on, instead of random ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
def command(
    handle: str, out: str, to: Target, tags: str | None, signature: str | None, sample: Path | None, as_json: bool
) -> None:
    """Write a model in another format.

    HANDLE is a URL or a path; 'rehub inspect' lists its tags and signatures. OUT is the folder to make, or for tflite
    and onnx the file; it appears only when it is whole. The outputs of the model and of what is written are compared on
    random inputs, or those of --sample; where they differ, nothing is written. TensorFlow is needed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from rehub.conversion.convert import convert

    chosen = None if tags is None else [tag for tag in tags.split(",") if tag]
    inputs = None if sample is None else _read(sample)
    done = convert(handle, out, to=to, tags=chosen, signature=signature, sample_inputs=inputs)
    if as_json:
        output.write_json({"handle": handle, **vars(done)})
        return
    output.write(done.path)
    if done.difference is not None:
        differ = (
            f"differ by {done.difference:.1e} at most, relative to the largest" if done.difference else "are the same"
        )
        output.tell(f"The outputs {differ}.")
    if done.not_compared:
        output.tell_warning(f"Not compared: {done.not_compared}.")


def _read(file: Path) -> dict[str, Any]:
    from rehub.formats import array_file

    try:
        return array_file.read(file)
    except FormatError as error:
        raise click.BadParameter(str(error), param_hint="'--sample'") from error
