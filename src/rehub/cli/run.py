"""``rehub run``: a model on all rows of a data set."""

from __future__ import annotations

import dataclasses

import click

from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples


@click.command(
    "run",
    epilog=examples(
        "rehub run https://HUB/PUBLISHER/MODEL/1 --input reviews.csv --column text --output embeddings",
        "rehub run path/to/classifier --input folder-of-images --output classes --workers 2",
        "rehub run path/to/model --input '/data/*.parquet' --output /data/out --address 10.0.0.1:6379",
    ),
)
@click.argument("handle", shell_complete=cached_handles)
@click.option(
    "--input",
    "inputs",
    required=True,
    multiple=True,
    metavar="DATA",
    help="A file, a folder or a pattern; may be given several times. Parquet, CSV or TSV with a heading, JSON lines, "
    "TFRecords of tf.train.Example, or images (JPEG, PNG, GIF, BMP).",
)
@click.option(
    "--output",
    "folder",
    required=True,
    type=click.Path(),
    help="The folder for what comes of it: Parquet files. It is new, or one that the same command began.",
)
@click.option("--signature", help="The signature to call, instead of the model itself.")
@click.option("--output-key", multiple=True, metavar="KEY", help="An output to keep; may be given several times.")
@click.option(
    "--column",
    multiple=True,
    metavar="[INPUT=]COLUMN",
    help="The column that the model takes, or each of its inputs; may be given several times. Numbers in several "
    "columns are one vector. By default, it is found by its name and type.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="The most rows at once. [default: 16 MiB of inputs, up to 1024]"
)
@click.option(
    "--image-size",
    nargs=2,
    type=click.IntRange(min=1),
    metavar="HEIGHT WIDTH",
    help="What images are brought to for models that take all sizes; the others say which they want.",
)
@click.option(
    "--part-rows", type=click.IntRange(min=1), default=16_384, show_default=True, help="The most rows of a file."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="How many copies of the model run at the same time. [default: 1; on a cluster one for each GPU or machine]",
)
@click.option("--address", metavar="HOST:PORT", help="Of a Ray cluster. Without it, the model runs on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
@click.pass_context
def command(
    ctx: click.Context,
    handle: str,
    inputs: tuple[str, ...],
    folder: str,
    signature: str | None,
    output_key: tuple[str, ...],
    column: tuple[str, ...],
    batch_size: int | None,
    image_size: tuple[int, int] | None,
    part_rows: int,
    workers: int | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Run a model on all rows of a data set.

    The output is a folder of Parquet files with the columns of the input and one for each output of the model. Rows
    that fail are kept with their errors in its folder _failed, and do not stop the others; the command then exits with
    1. Run again, it goes on where it was stopped. TensorFlow and pyarrow are needed, and Ray for several workers:
    pip install 'rehub[ray]'.
    """
    from rehub.batch import prediction
    from rehub.batch.options import Options, columns_of
    from rehub.runtime.tf_version import import_quietly

    prediction.check_installed(ray=address is not None or (workers or 1) > 1)
    options = Options(signature, output_key, columns_of(_columns(column)), batch_size, image_size)
    plan = prediction.new_plan(inputs, handle, folder, options, part_rows)
    try:
        done = prediction.run(plan, workers, address, before_loading=import_quietly)
    except (KeyboardInterrupt, SystemExit):
        if plan.output.exists():
            output.tell(f"Stopped; what is done is kept in '{plan.output}'. The same command goes on from there.")
        raise
    if as_json:
        facts = {**dataclasses.asdict(done), "output": str(done.output)}
        output.write_json({**facts, "failures": str(done.failures) if done.failures else None})
    else:
        output.write(str(done.output))
        earlier = f", {done.reused} of them from an earlier run" if done.reused else ""
        output.tell(f"{output.count(done.rows, 'row')} in {output.count(done.parts, 'file')}{earlier}.")
    if done.failures is not None:
        output.tell_warning(f"{output.count(done.failed, 'row')} failed: see {done.failures}")
        ctx.exit(output.EXIT_ERROR)


def _columns(given: tuple[str, ...]) -> dict[str, list[str]] | None:
    columns: dict[str, list[str]] = {}
    for each in given:
        name, sign, column = each.partition("=")
        columns.setdefault(name if sign else "", []).append(column if sign else each)
    if "" in columns and len(columns) > 1:
        raise click.BadParameter("some name an input and others do not.", param_hint="'--column'")
    return columns or None
