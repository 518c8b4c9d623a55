"""``rehub index build``: an index of what a model made of many rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.index.layout import Metric


@click.command(
    "build",
    epilog=examples(
        "rehub run https://HUB/PUBLISHER/MODEL/1 --input reviews.csv --output embeddings",
        "rehub index build embeddings reviews.index",
    ),
)
@click.argument("embeddings", type=click.Path(exists=True, path_type=Path))
@click.argument("index", type=click.Path(path_type=Path))
@click.option("--column", help="The column of the vectors. By default, the only one.")
@click.option(
    "--metric",
    type=click.Choice(["cos", "ip", "l2sq"]),
    default="cos",
    show_default=True,
    help="How near is measured: cosine, inner product, or squared Euclidean distance.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
def command(embeddings: Path, index: Path, column: str | None, metric: Metric, as_json: bool) -> None:
    """Build an index of the vectors in EMBEDDINGS.

    EMBEDDINGS is the folder of Parquet files that 'rehub run' wrote, or any other. INDEX is a new folder, which gets a
    copy of the other columns: nothing else is needed to search it.
    """
    from rehub.index import build

    built = build(embeddings, index, column=column, metric=metric)
    if as_json:
        output.write_json({**dataclasses.asdict(built), "folder": str(built.folder)})
    else:
        output.write(str(built.folder))
        output.tell(f"{output.count(built.size, 'vector')} of {built.dimensions} numbers.")
    if built.left_out:
        output.tell_warning(f"{output.count(built.left_out, 'row')} without a vector of finite numbers left out.")
