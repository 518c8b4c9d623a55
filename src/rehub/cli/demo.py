"""``rehub demo``: the main job, from a URL to a fine-tuned model."""

from __future__ import annotations

from pathlib import Path

import click

from rehub.cli.group import examples


@click.command("demo", epilog=examples("rehub demo", "rehub demo --output /tmp/faces"))
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the picture.",
)
def command(output: Path) -> None:
    """See the main job done on photographs.

    Loads a model by its URL, trains on its features, fine-tunes it, saves it and loads it again. It needs what
    'pip install "rehub[demo,tensorflow]"' installs, and no network.
    """
    from rehub.demo.run import run

    run(output)
