"""``rehub serve``: a hub for a folder of models."""

from __future__ import annotations

from pathlib import Path

import click

from rehub.cli import output
from rehub.cli.group import examples

_LISTED = 20


@click.command(
    "serve",
    epilog=examples("rehub serve models", "rehub serve models --host 0.0.0.0 --port 80 --workers 4"),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 for any free one."
)
@click.option(
    "--uncompressed-base",
    metavar="URL",
    help="Where clients find the same tree unpacked, such as gs://BUCKET/PREFIX.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Number of processes.")
def command(folder: Path, host: str, port: int, uncompressed_base: str | None, workers: int) -> None:
    """Serve a folder of models to programs and browsers.

    The models lie in FOLDER/PUBLISHER/MODEL/VERSION/. A version is visible when it holds saved_model.pb. Stop with
    Ctrl-C.
    """
    from rehub.server import serve
    from rehub.server.catalogue import Catalogue

    def announce(url: str) -> None:
        catalogue = Catalogue(folder)
        models = catalogue.models()
        output.tell(f"Serving {folder} at {url} (stop with Ctrl-C)")
        for model in models[:_LISTED]:
            output.tell(f'  hub.load("{url}/{model.name}/{model.newest}")')
        if len(models) > _LISTED:
            output.tell(f"  and {len(models) - _LISTED} more: {url}/")
        strays = catalogue.strays()
        for stray in strays[:_LISTED]:
            output.tell(f"  Not served: the model in {folder / stray}, whose place is not PUBLISHER/MODEL/NUMBER")
        if len(strays) > _LISTED:
            output.tell(f"  and {len(strays) - _LISTED} more that are not served")
        flaws = catalogue.flaws()
        for place, why in flaws[:_LISTED]:
            output.tell(f"  Not served: {place}: {why}")
        if len(flaws) > _LISTED:
            output.tell(f"  and {len(flaws) - _LISTED} more whose files no client would take")
        if not models:
            output.tell("  No models yet: put them into PUBLISHER/MODEL/VERSION/.")

    serve(folder, host=host, port=port, uncompressed_base=uncompressed_base, workers=workers, announce=announce)
