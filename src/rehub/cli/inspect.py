"""``rehub inspect``: what is in a model, without TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.cache.inventory import Damage


@click.command(
    "inspect",
    epilog=examples(
        "rehub inspect https://HUB/PUBLISHER/MODEL/1",
        "rehub inspect --tree path/to/model",
        "rehub inspect --endpoints path/to/model",
        "rehub inspect --verify --json path/to/model",
    ),
)
@click.argument("handle", shell_complete=cached_handles)
@click.option("--tree", "as_tree", is_flag=True, help="Show the objects that the model consists of.")
@click.option("--endpoints", "as_endpoints", is_flag=True, help="Show the tensors inside that a layer can return.")
@click.option("--all", "show_all", is_flag=True, help="List all variables, functions and ops.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object with everything.")
@click.option("--verify", "do_verify", is_flag=True, help="Read all files, too, and look for damage.")
@click.pass_context
def command(
    ctx: click.Context,
    handle: str,
    as_tree: bool,
    as_endpoints: bool,
    show_all: bool,
    as_json: bool,
    do_verify: bool,
) -> None:
    """Show what is in a model.

    That is: signatures, functions, variables, assets, attached messages, collections, ops, and what they reach out to.
    Reads the files alone: the model is not loaded, nothing in it runs, and TensorFlow is not needed. A HANDLE is a URL,
    which is downloaded where the cache lacks it, or a path. With --verify, the variables are compared with their
    checksums, and in the cache every file with the record of its download; exits with 1 if one is damaged.

    With --endpoints, shows by which names hub.KerasLayer(HANDLE, output_key=NAME) returns what a model computes on its
    way: floating-point tensors that depend on the input, the first output of each op. What only one of the modes for
    training and inference has, and what is inside of loops and conditions, is left out.
    """
    from rehub.resolvers.inspection import inspect, verify

    if as_tree and as_json:
        raise click.UsageError("--json prints the objects, too: leave out --tree, or --json for a drawing.")
    if as_tree and as_endpoints:
        raise click.UsageError("--tree and --endpoints are two views of a model: choose one.")
    model = inspect(handle, endpoints=as_endpoints)
    damages = verify(handle) if do_verify else ()
    if as_json:
        found = {"damages": [{"file": damage.file, "what": damage.what} for damage in damages]} if do_verify else {}
        output.write_json({"handle": handle, **model.to_json(), **found})
    elif as_tree:
        from rehub.cli.inspect_tree import write_tree

        write_tree(model)
    elif as_endpoints:
        from rehub.cli.inspect_endpoints import write_endpoints

        write_endpoints(model)
    else:
        from rehub.cli.inspect_table import write_model

        write_model(model, show_all=show_all)
    if do_verify:
        _tell_verified(damages)
    if damages:
        ctx.exit(output.EXIT_ERROR)


def _tell_verified(damages: tuple[Damage, ...]) -> None:
    if not damages:
        output.tell("Verified: all files are whole.")
        return
    for damage in damages:
        output.tell_warning(str(damage))
    output.tell_hint("Fetch the model again; 'rehub cache verify --repair HANDLE' does that for one of the cache.")
