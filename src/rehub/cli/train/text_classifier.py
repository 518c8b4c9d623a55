"""``rehub train text-classifier``: from a table of texts with labels to a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rehub.cli import output as cli_output
from rehub.cli.group import examples
from rehub.cli.train import options
from rehub.cli.train.run import prepare, show


@click.command(
    "text-classifier",
    epilog=examples(
        "rehub train text-classifier reviews.csv --handle https://HUB/PUBLISHER/EMBEDDING/1 --output opinions",
        "rehub train text-classifier mails.tsv --handle path/to/model --text-column subject --label-column folder",
    ),
)
@click.argument("data", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.common
@click.option("--text-column", default="text", show_default=True, help="The column of the texts.")
@click.option("--label-column", default="label", show_default=True, help="The column of the labels.")
def command(data: Path, output: Path | None, as_json: bool, **chosen: Any) -> None:
    """Make a text classifier of a published text embedding and texts of your own.

    DATA is a .csv or .tsv file in UTF-8, with the names of the columns in its first line. A new last layer is trained
    on what the model makes of the texts; then all is fine-tuned. The output has the model, its labels and card,
    measurements, and two pictures. A command that was interrupted goes on where it stopped when it is given again.
    TensorFlow is needed, and matplotlib.
    """
    place = options.output_of(data, output)
    prepare(chosen["seed"])
    from rehub.train import text_classifier

    handle = chosen.pop("handle")
    show(lambda: text_classifier(data, handle, place, tell=cli_output.tell, **chosen), as_json=as_json)
