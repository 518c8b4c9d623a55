"""``rehub train image-classifier``: from a folder of images for each class to a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rehub.cli import output as cli_output
from rehub.cli.group import examples
from rehub.cli.train import options
from rehub.cli.train.run import prepare, show


@click.command(
    "image-classifier",
    epilog=examples(
        "rehub train image-classifier photos --handle https://HUB/PUBLISHER/FEATURES/1 --output flowers",
        "rehub train image-classifier photos --handle path/to/model --frozen --tflite",
        "rehub train image-classifier photos --handle path/to/model --validation other-photos --augment",
    ),
)
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@options.common
@click.option("--augment", is_flag=True, help="Vary images in fine-tuning: parts, mirrored, lighter or darker.")
@click.option(
    "--image-size",
    nargs=2,
    type=click.IntRange(min=1),
    metavar="HEIGHT WIDTH",
    help="What images are brought to for models that take all sizes; the others say which they want.",
)
@click.option("--tflite", is_flag=True, help="Write a file for LiteRT (TensorFlow Lite), too.")
def command(data: Path, output: Path | None, as_json: bool, **chosen: Any) -> None:
    """Make an image classifier of a published model and images of your own.

    DATA is a folder with a folder of JPEG, PNG, GIF or BMP images for each class, named as the class. A new last layer
    is trained on what the model makes of them; then all is fine-tuned. The output has the model, its labels and card,
    measurements, and two pictures. A command that was interrupted goes on where it stopped when it is given again.
    TensorFlow is needed, and matplotlib.
    """
    if chosen["augment"] and not chosen["fine_tune"]:
        raise click.UsageError("--augment varies images in fine-tuning, which --frozen leaves out.")
    place = options.output_of(data, output)
    prepare(chosen["seed"])
    from rehub.train import image_classifier

    handle = chosen.pop("handle")
    show(lambda: image_classifier(data, handle, place, tell=cli_output.tell, **chosen), as_json=as_json)
