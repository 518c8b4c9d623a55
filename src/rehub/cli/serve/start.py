"""``rehub serve STORE``: a hub for a store of models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.group import examples
from rehub.cli.serve.dispatch import Serve, complete_store
from rehub.cli.size import size_bytes

if TYPE_CHECKING:
    from rehub.server.library import Library

_DEFAULT = "./hub"
_LISTED = 20


@click.command(
    "serve",
    cls=Serve,
    epilog=examples(
        "rehub serve models",
        "rehub serve s3://BUCKET/PREFIX --redirect --host 0.0.0.0 --port 80 --workers 4",
        "rehub serve token create 'ci of acme' --publisher acme",
    ),
)
@click.argument("store", required=False, shell_complete=complete_store)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 for any free one."
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Number of processes.")
@click.option(
    "--uncompressed-base",
    metavar="URL",
    help="Where clients find the store itself, such as gs://BUCKET/PREFIX.",
)
@click.option("--redirect", is_flag=True, help="Send clients to the bucket for large files, by signed URLs.")
@click.option(
    "--private/--public",
    default=False,
    show_default=True,
    help="Whether reading needs a token, for publishers for whom nothing is set.",
)
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0),
    default=100,
    show_default=True,
    metavar="N",
    help="Requests per second of one token or address, for each process; ten times as many at once. 0 for no limit.",
)
@click.option(
    "--max-model-size",
    type=size_bytes,
    default="20GB",
    show_default=True,
    metavar="SIZE",
    help="The most that a model may have that is published; a few bytes sent can become many.",
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A proxy says who asks, in X-Forwarded-For and X-Forwarded-Proto; without one, clients could.",
)
@click.option(
    "--remote-images", is_flag=True, help="Show images of other servers in model cards; they learn then who reads them."
)
@click.option(
    "--try-it",
    is_flag=True,
    help="Let visitors try models of texts and pictures on their pages. A process with limits runs them; it needs "
    "TensorFlow.",
)
@click.option("--access-log/--no-access-log", default=True, show_default=True, help="Tell each request, as JSON.")
@click.option(
    "--grace",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="How long running downloads may delay the end.",
)
def command(
    store: str | None,
    host: str,
    port: int,
    workers: int,
    uncompressed_base: str | None,
    redirect: bool,
    private: bool,
    rate_limit: float,
    max_model_size: int,
    behind_proxy: bool,
    remote_images: bool,
    try_it: bool,
    access_log: bool,
    grace: int,
) -> None:
    """Serve a hub to programs and browsers.

    STORE is a folder, or a bucket as s3://BUCKET, gs://BUCKET or az://CONTAINER; without it, ./hub, which is made when
    it is missing. It holds what is published, and folders as they were exported: in PUBLISHER/MODEL/VERSION/, each
    visible when it has saved_model.pb. Stop with Ctrl-C.
    """
    from concurrent.futures import ProcessPoolExecutor

    from rehub.server import HubOptions, serve
    from rehub.server.library import Library
    from rehub.server.trials import TrialLimits
    from rehub.storage.opening import open_store

    if store is None:
        store = _DEFAULT
        if not Path(store).exists():
            Path(store).mkdir()
            output.tell(f"Made the folder {store} for the hub.")
    options = HubOptions(
        uncompressed_base=uncompressed_base,
        redirects=redirect,
        is_private=private,
        is_behind_proxy=behind_proxy,
        requests_per_s=rate_limit or None,
        upload_limit_bytes=max_model_size,
        remote_images=remote_images,
        trials=TrialLimits() if try_it else None,
        access_log=access_log,
    )

    def announce(url: str) -> None:
        place = open_store(store)
        if place.local_path("") is not None:
            _announce(store, Library(place), url)
            return
        # Another process asks: a bucket's client has threads, without which it is of no use in workers that are forked.
        with ProcessPoolExecutor(1) as pool:
            is_empty = pool.submit(_is_empty, store).result()
        output.tell(_serving(place.url, url))
        if is_empty:
            output.tell(_no_models(url))

    serve(store, host=host, port=port, options=options, workers=workers, grace_s=grace, announce=announce)


def _is_empty(store: str) -> bool:
    """Whether a bucket has no publishers; asks it once, for listing all models of a large one takes long."""
    from rehub.server.names import RESERVED
    from rehub.storage.opening import open_store

    return set(open_store(store).folders("")) <= {RESERVED}


def _serving(store: str, url: str) -> str:
    return f"Serving {store} at {url} (stop with Ctrl-C)"


def _no_models(url: str) -> str:
    return f"  No models yet: rehub publish push PATH PUBLISHER/MODEL --to {url}"


def _announce(store: str, library: Library, url: str) -> None:
    """Tells what a folder has, and what is in it that is not served."""
    from rehub.server.catalogue import Catalogue

    models = library.models()
    output.tell(_serving(library.store.url, url))
    for model in models[:_LISTED]:
        output.tell(f'  hub.load("{url}/{model.name}/{model.newest}")')
    if len(models) > _LISTED:
        output.tell(f"  and {len(models) - _LISTED} more: {url}/")
    catalogue = Catalogue(Path(store))
    strays = catalogue.strays()
    for stray in strays[:_LISTED]:
        output.tell(f"  Not served: the model in {Path(store) / stray}, whose place is not PUBLISHER/MODEL/NUMBER")
    if len(strays) > _LISTED:
        output.tell(f"  and {len(strays) - _LISTED} more that are not served")
    flaws = catalogue.flaws()
    for place, why in flaws[:_LISTED]:
        output.tell(f"  Not served: {place}: {why}")
    if len(flaws) > _LISTED:
        output.tell(f"  and {len(flaws) - _LISTED} more whose files no client would take")
    if not models:
        output.tell(_no_models(url))
