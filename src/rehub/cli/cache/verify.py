"""``rehub cache verify``: are the files of cached models those that were fetched?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rehub.cli import output
from rehub.cli.cache import contents
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.cache.inventory import Damage, Entry


@click.command(
    "verify",
    epilog=examples(
        "rehub cache verify",
        "rehub cache verify https://HUB/PUBLISHER/MODEL/1 --repair",
    ),
)
@click.argument("names", metavar="[HANDLE...]", nargs=-1, shell_complete=cached_handles)
@click.option("--repair", is_flag=True, help="Download damaged models again; good files stay where they are.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead.")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], repair: bool, as_json: bool) -> None:
    """Compare cached models with what was fetched.

    Reads every file of all models, or of those named. Exits with 1 if a model is damaged. Of models that tensorflow_hub
    left it tells only what is missing.
    """
    from rehub.cache.verification import verify

    inventory = contents.look()
    results: list[dict[str, Any]] = []
    for entry in contents.named(inventory, names) if names else inventory.entries:
        damages = verify(entry)
        outcome = "whole" if not damages else "damaged"
        if damages and not as_json:
            _tell(entry, damages)
        if damages and repair and _repair(entry, damages):
            outcome = "repaired"
        results.append(
            {
                **contents.facts(entry),
                "damages": [{"file": damage.file, "what": damage.what} for damage in damages],
                "whole": outcome != "damaged",
                "repaired": outcome == "repaired",
            }
        )
        if not as_json:
            output.write(output.printable(f"{outcome:<8}  {entry.handle}"))
    if as_json:
        output.write_json(results)
    bad = sum(not result["whole"] for result in results)
    output.tell(f"{output.count(len(results), 'model')} verified, {bad} damaged.")
    if bad:
        if not repair:
            output.tell_hint("--repair downloads damaged models again; 'rehub cache remove' removes them.")
        ctx.exit(output.EXIT_ERROR)


def _tell(entry: Entry, damages: tuple[Damage, ...]) -> None:
    for damage in damages:
        output.tell_warning(f"{entry.handle}: {damage}")


def _repair(entry: Entry, damages: tuple[Damage, ...]) -> bool:
    from rehub.errors import HubError
    from rehub.resolvers.repair import repair

    try:
        repair(entry, damages)
    except HubError as error:
        output.tell_error(error)
        return False
    return True
