"""``rehub compare``: which of several models serves a task best."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.comparison.examples import Task
    from rehub.comparison.result import Comparison


@click.command(
    "compare",
    epilog=examples(
        "rehub compare https://HUB/A/SMALL/1 https://HUB/A/LARGE/1 --data reviews.csv --plot models.png",
        "rehub compare --limit 500 path/to/one path/to/other --data folder-of-images",
    ),
)
@click.argument("handles", metavar="HANDLE...", nargs=-1, required=True, shell_complete=cached_handles)
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The examples: a .csv or .tsv file with the columns text and label, a .npz file with the arrays x and y, or a "
    "folder with a folder of PNG or JPEG images for each class.",
)
@click.option("--text-column", default="text", show_default=True, help="The column of the texts.")
@click.option("--label-column", default="label", show_default=True, help="The column of the labels.")
@click.option(
    "--task",
    type=click.Choice(["classification", "regression"]),
    help="Whether labels are classes, or numbers to predict. By default, those with a decimal point are numbers.",
)
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Of the cross-validation.")
@click.option("--limit", type=click.IntRange(min=2), help="Use so many examples at most, some of each class.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which examples come together.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Examples at once in a model."
)
@click.option(
    "--image-size",
    nargs=2,
    type=click.IntRange(min=1),
    metavar="HEIGHT WIDTH",
    help="What images are brought to for models that take all sizes; the others say which they want.",
)
@click.option("--signature", help="The signature of the models to use.")
@click.option("--output-key", help="The output of the models to use.")
@click.option("--plot", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Draw a picture, too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
@click.pass_context
def command(
    ctx: click.Context,
    handles: tuple[str, ...],
    data: Path,
    text_column: str,
    label_column: str,
    task: Task | None,
    folds: int,
    limit: int | None,
    seed: int,
    batch_size: int,
    image_size: tuple[int, int] | None,
    signature: str | None,
    output_key: str | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Find out which model serves a task best.

    Each model is run once on all examples, frozen; a linear head on what it makes of them is then cross-validated on
    the same folds for all. The table has the accuracy (or R², for numbers), the time for an example, and the sizes. A
    model that cannot be had or run does not stop the others, and is told of; the command then exits with 1. TensorFlow
    is needed.
    """
    if plot is not None:
        _check_plot(plot)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from rehub.runtime.tf_version import import_tensorflow

    import_tensorflow()
    # It warns of each model that is given up while the command goes on.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from rehub.comparison.contest import compare
    from rehub.comparison.data_files import read_data

    chosen = {name: value for name, value in (("signature", signature), ("output_key", output_key)) if value}
    comparison = compare(
        [(handle, chosen) for handle in dict.fromkeys(handles)] if chosen else list(dict.fromkeys(handles)),
        read_data(data, text_column, label_column),
        task=task,
        folds=folds,
        batch_size=batch_size,
        max_examples=limit,
        image_size=image_size,
        seed=seed,
    )
    if as_json:
        output.write_json(comparison.to_json())
    else:
        _write(comparison)
    for failure in comparison.failures:
        output.tell_warning(f"{failure.name}: {failure.error}")
    if plot is not None:
        comparison.plot(plot)
        output.tell(f"Drawn: {plot}")
    if comparison.failures:
        ctx.exit(output.EXIT_ERROR)


def _check_plot(path: Path) -> None:
    """Finds out before the models are run whether the picture can be drawn."""
    from rehub.comparison import plot

    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder '{path.parent}'.", param_hint="'--plot'")
    plot.check_dependencies()


def _write(comparison: Comparison) -> None:
    from rehub.comparison import table

    output.write_table(table.cells(comparison), headings=table.headings(comparison), right=table.RIGHT)
    for line in table.captions(comparison):
        output.tell(line)
