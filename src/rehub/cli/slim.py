"""``rehub slim``: copies of models that have just what others reuse."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples

_SHOWN = 8


@click.command(
    "slim",
    epilog=examples(
        "rehub slim exported slim",
        "rehub slim exported slim --only __call__ --only encoder.__call__",
        "rehub slim https://HUB/PUBLISHER/MODEL/1 slim",
    ),
)
@click.argument("handle", metavar="IN", shell_complete=cached_handles)
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="An attribute of the model that is to stay; may be given several times. Instead of __call__, variables, "
    "trainable_variables and regularization_losses.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
def command(handle: str, folder: Path, only: tuple[str, ...], as_json: bool) -> None:
    """Write a copy of a model with just what is reused.

    It holds what hub.KerasLayer uses of a TF2 SavedModel, and the signatures.

    What Keras 2 saves holds each layer once more, several times as many functions as are ever called; without them a
    model loads in half the time. OUT must not exist yet. Variables and assets are copied as they are.
    """
    from rehub.publish.slim import slim

    done = slim(handle, folder, only=only or None)
    if as_json:
        output.write_json({**dataclasses.asdict(done), "folder": str(done.folder)})
        return
    output.write(str(done.folder))
    rows = [
        ("functions", *(f"{number:,}" for number in done.functions)),
        ("saved_model.pb", *map(output.size, done.program_bytes)),
        ("all files", *map(output.size, done.size_bytes)),
    ]
    for what, before, after in rows:
        output.tell(f"{what}: {before}, now {after}")
    if done.left_out:
        more = f" and {len(done.left_out) - _SHOWN} more" if len(done.left_out) > _SHOWN else ""
        output.tell(f"Left out: {', '.join(done.left_out[:_SHOWN])}{more}.")
