"""``rehub download``: models in a folder of the user's choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rehub import configuration
from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples
from rehub.errors import UsageError

if TYPE_CHECKING:
    from rehub.resolvers.placement import Plan

_DONE = {"copy": "copied", "download": "downloaded", "keep": "there already"}
_PLANNED = {"copy": "copy", "download": "download", "keep": "there already"}


@click.command(
    "download",
    epilog=examples(
        "rehub download https://HUB/PUBLISHER/MODEL/1 --to model",
        "rehub download https://HUB/A/B/1 https://HUB/A/C/2 --to models && rehub serve models",
        "rehub download --dry-run https://HUB/PUBLISHER/MODEL --to model",
        "rehub download --from-lock rehub.lock --to cache && TFHUB_CACHE_DIR=cache python program.py",
    ),
)
@click.argument("handles", metavar="HANDLE...", nargs=-1, shell_complete=cached_handles)
@click.option(
    "--to", "folder", required=True, metavar="FOLDER", type=click.Path(path_type=Path), help="Where they are to be."
)
@click.option(
    "--from-lock",
    "lock",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="All models of a file of 'rehub lock', or those named, as it names them.",
)
@click.option("--tree", is_flag=True, help="Use FOLDER/PUBLISHER/MODEL/VERSION for one model, too.")
@click.option("--force", is_flag=True, help="Replace models that are there already; nothing else is ever replaced.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead.")
@click.pass_context
def command(
    ctx: click.Context,
    handles: tuple[str, ...],
    folder: Path,
    lock: Path | None,
    tree: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put models into a folder of your choice.

    One model's files come into FOLDER itself, several models into FOLDER/PUBLISHER/MODEL/VERSION, so that 'rehub serve
    FOLDER' serves them. A folder appears whole or not at all. Models that are in the cache are copied, others are
    downloaded without going through it ('rehub resolve' downloads into the cache).

    With --from-lock, FOLDER is a cache to which these models are added (with --tree too, a tree as above); in a new one
    there are just these. Copy it to a machine without a network, and name it there in TFHUB_CACHE_DIR: programs find
    the models by the same handles.
    """
    if not handles and lock is None:
        raise click.UsageError("Missing argument 'HANDLE...'.", ctx)
    if force and lock is not None and not tree:
        raise click.UsageError("--force replaces no models of a cache: name another folder.", ctx)
    with configuration.settings(**({} if lock is None else {"lockfile": lock})) as settings:
        plans, carry_out = _plan(handles, folder, lock, settings, tree=tree, force=force)
        if not dry_run:
            for plan in plans:
                carry_out(plan)
                if not as_json:
                    output.write(str(plan.target))
                    _tell(plan)
    if as_json:
        output.write_json([_facts(plan) for plan in plans])
    elif dry_run:
        _print(plans)


def _plan(
    handles: tuple[str, ...],
    folder: Path,
    lock: Path | None,
    settings: configuration.Settings,
    *,
    tree: bool,
    force: bool,
) -> tuple[list[Plan], Callable[[Plan], None]]:
    """Returns what is to be done, and what does it."""
    from rehub.resolvers import lockfile, placement, stock
    from rehub.resolvers.chain import Network

    network = Network(settings)
    if lock is not None:
        handles = handles or tuple(model.handle for model in lockfile.read(lock))
    names = list(dict.fromkeys(handles))
    if lock is not None and not tree:
        plans = [stock.plan(name, folder, settings, network) for name in names]
        return plans, lambda plan: stock.carry_out(plan, folder, settings, network)
    as_tree = tree or len(names) > 1
    plans = [placement.plan(name, folder, settings, network, as_tree=as_tree, replace=force) for name in names]
    return _without_doubles(plans), lambda plan: placement.carry_out(plan, settings, network)


def _without_doubles(plans: list[Plan]) -> list[Plan]:
    places: dict[Path, Plan] = {}
    for plan in plans:
        other = places.setdefault(plan.target, plan)
        if other.location != plan.location:
            raise UsageError(
                f"{other.handle} and {plan.handle} would both be in '{plan.target}'.",
                hint="Download them one after the other, each to a folder of its own.",
            )
    return list(places.values())


def _facts(plan: Plan) -> dict[str, Any]:
    return {
        "handle": plan.handle,
        "location": plan.location,
        "folder": str(plan.target),
        "action": plan.action,
        "source": plan.source or None,
        "size_bytes": plan.size_bytes,
        "replaces": plan.replaces,
    }


def _size(plan: Plan) -> str:
    return "unknown size" if plan.size_bytes is None else output.size(plan.size_bytes)


def _tell(plan: Plan) -> None:
    source = f" from {plan.source}" if plan.source else ""
    output.tell(f"{plan.location}: {_DONE[plan.action]}{source} ({_size(plan)})")


def _print(plans: list[Plan]) -> None:
    output.write_table(
        [
            (
                plan.location,
                _PLANNED[plan.action] + (", replacing" if plan.replaces else ""),
                _size(plan),
                plan.source,
                str(plan.target),
            )
            for plan in plans
        ],
        headings=("MODEL", "ACTION", "SIZE", "FROM", "TO"),
        right=(2,),
    )
    sizes = [plan.size_bytes for plan in plans if plan.action == "download"]
    if not sizes:
        output.tell("Nothing would be downloaded.")
        return
    known = output.size(sum(size for size in sizes if size is not None))
    output.tell(f"Would download {output.count(len(sizes), 'model')} ({known}{' or more' if None in sizes else ''}).")
