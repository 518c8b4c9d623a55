"""``rehub demo``: the main job, from a URL to a fine-tuned model."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the picture.",
)
def command(output: Path) -> None:
    """Load a model by its URL, train on photographs, fine-tune, save, load again."""
    from rehub.demo.run import run

    run(output)
