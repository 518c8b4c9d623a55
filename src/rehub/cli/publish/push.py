"""``rehub publish push``: a model onto a hub."""

from __future__ import annotations

import functools
from pathlib import Path

import click

from rehub.cli import output
from rehub.cli.group import examples
from rehub.errors import HandleError


@click.command(
    "push",
    epilog=examples(
        "rehub publish push path/to/model acme/net --to https://hub.example.com",
        "rehub publish push --no-check path/to/model acme/net/3 --to http://localhost:8000",
    ),
)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("name", metavar="PUBLISHER/MODEL[/VERSION]")
@click.option("--to", required=True, metavar="URL", help="The hub.")
@click.option(
    "--card",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The model card, if it is not card.md in the model folder.",
)
@click.option("--check/--no-check", "checks", default=True, show_default=True, help="Run 'rehub publish check' first.")
@click.option("--run/--no-run", default=True, show_default=True, help="Also run the model for that.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
@click.pass_context
def command(
    ctx: click.Context, path: Path, name: str, to: str, card: Path | None, checks: bool, run: bool, as_json: bool
) -> None:
    """Publish a model on a hub, and print the handle by which it is loaded.

    Without VERSION it becomes the next free one. What the hub has of it already is not sent, and what is published
    never changes. It can be interrupted: the same command goes on where it was. The token for the hub is that of
    'rehub login', or of REHUB_TOKEN and REHUB_TOKEN_HOST.
    """
    from rehub.publish.push import push

    model, version = _model(name)
    # A check may take minutes: whoever has no token, or asks for a number that is taken, is told so at once.
    before = functools.partial(_check, ctx, path, card, run=run) if checks else None
    pushed = push(path, model, to=to, version=version, card=card, before=before)
    if as_json:
        facts = {"handle": pushed.handle, "version": pushed.version, "is_new": pushed.is_new}
        output.write_json({**facts, "size_bytes": pushed.size_bytes, "sent_bytes": pushed.sent_bytes})
        return
    output.write(pushed.handle)
    if pushed.is_new:
        output.tell(f"Published; {output.size(pushed.sent_bytes)} of {output.size(pushed.size_bytes)} were sent.")
    else:
        output.tell("The hub has had a version of these files before.")


def _check(ctx: click.Context, path: Path, card: Path | None, *, run: bool) -> None:
    from rehub.publish.check import check

    output.tell("Checking the model …")
    report = check(path, card=card, run=run)
    for finding in report.findings:
        if finding.severity == "error":
            output.tell(f"{finding.code} {output.printable(f'{finding.where}: {finding.what}')}. {finding.fix}")
    if report.errors:
        output.tell(f"Nothing was published: {output.count(report.errors, 'error')}. --no-check publishes it anyway.")
        ctx.exit(output.EXIT_ERROR)
    if report.warnings:
        output.tell(f"{output.count(report.warnings, 'warning')}: rehub publish check {path}")


def _model(name: str) -> tuple[str, int | None]:
    """Reads ``PUBLISHER/MODEL[/VERSION]``."""
    *segments, last = name.split("/")
    is_version = last.isascii() and last.isdecimal() and len(last) < 19
    model = "/".join(segments) if is_version else name
    if "/" not in model or "://" in name or not all(model.split("/")):
        raise HandleError(f"{name!r} is no name of a model.", hint="Write PUBLISHER/MODEL, and the URL after --to.")
    return model, int(last) if is_version else None
