"""``rehub download``: models in a folder of the user's choice."""

from __future__ import annotations

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
    ),
)
@click.argument("handles", metavar="HANDLE...", nargs=-1, required=True, shell_complete=cached_handles)
@click.option(
    "--to", "folder", required=True, metavar="FOLDER", type=click.Path(path_type=Path), help="Where they are to be."
)
@click.option("--tree", is_flag=True, help="Use FOLDER/PUBLISHER/MODEL/VERSION for one model, too.")
@click.option("--force", is_flag=True, help="Replace models that are there already; nothing else is ever replaced.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead.")
def command(handles: tuple[str, ...], folder: Path, tree: bool, force: bool, dry_run: bool, as_json: bool) -> None:
    """Put models into a folder of your choice.

    One model's files come into FOLDER itself, several models into FOLDER/PUBLISHER/MODEL/VERSION, so that 'rehub serve
    FOLDER' serves them. A folder appears whole or not at all. Models that are in the cache are copied, others are
    downloaded without going through it ('rehub resolve' downloads into the cache).
    """
    from rehub.resolvers import placement
    from rehub.resolvers.chain import Network

    settings = configuration.current()
    network = Network(settings)
    as_tree = tree or len(handles) > 1
    plans = [
        placement.plan(handle, folder, settings, network, as_tree=as_tree, replace=force)
        for handle in dict.fromkeys(handles)
    ]
    plans = _without_doubles(plans)
    if not dry_run:
        for plan in plans:
            placement.carry_out(plan, settings, network)
            if not as_json:
                output.write(str(plan.target))
                _tell(plan)
    if as_json:
        output.write_json([_facts(plan) for plan in plans])
    elif dry_run:
        _print(plans)


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
