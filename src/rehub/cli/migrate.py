"""``rehub migrate``: programs written for tensorflow_hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.group import examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rehub.migrate.finding import Kind
    from rehub.migrate.report import FileReport

_HEADINGS: dict[Kind, tuple[str, str | None]] = {
    "works": ("Works as it is", "green"),
    "rewritten": ("To be rewritten by --write", "cyan"),
    "by hand": ("To do by hand", "yellow"),
    "failed": ("Not looked at", "red"),
}
_SHOWN: tuple[Kind, ...] = ("by hand", "failed")


@click.command(
    "migrate",
    epilog=examples(
        "rehub migrate path/to/project",
        "rehub migrate --diff path/to/project",
        "rehub migrate --write --to-tf2 train.py notebook.ipynb",
    ),
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--diff", "as_diff", is_flag=True, help="Print what would be written, as a patch.")
@click.option("--write", "is_written", is_flag=True, help="Rewrite the files.")
@click.option(
    "--to-tf2", is_flag=True, help="Rewrite hub.Module in programs of TensorFlow 1, too, where it works as it is."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
@click.pass_context
def command(
    ctx: click.Context, paths: tuple[Path, ...], as_diff: bool, is_written: bool, to_tf2: bool, as_json: bool
) -> None:
    """Find what uses tensorflow_hub, and rewrite it for rehub.

    PATH is a Python file, a notebook, a list of dependencies, or a folder of these. What works as it is, what --write
    rewrites and what is left to you is listed, a line each; docs/migrating_code.md explains the codes. Nothing is
    written without --write. Exits with 1 if something is left to rewrite or to do by hand, or a file cannot be read.
    """
    from rehub.migrate import migration, report

    if as_diff + is_written + as_json > 1 and not (is_written and as_json):
        raise click.UsageError("--diff goes with neither --write nor --json.", ctx)
    found = list(migration.examine(paths, to_tf2=to_tf2))
    reports = [it for it in found if it.findings]
    if is_written:
        reports = [migration.write(it) if it.is_changed else it for it in reports]
    if as_json:
        output.write_json(report.to_json(reports, files=len(found), is_written=is_written))
    elif as_diff:
        _write_diff(reports)
    else:
        _write(reports, is_written)
    if not as_json:
        _tell_summary(reports, len(found), is_written)
    left = _SHOWN if is_written else ("rewritten", *_SHOWN)
    if any(report.count(reports, kind) for kind in left):
        ctx.exit(output.EXIT_ERROR)


def _write_diff(reports: Sequence[FileReport]) -> None:
    from rehub.migrate import migration, report

    for it in reports:
        if it.is_changed:
            click.echo(migration.diff(it), nl=False)
    for kind in _SHOWN:
        for line in report.lines(reports, kind):
            output.tell(line)


def _write(reports: Sequence[FileReport], is_written: bool) -> None:
    from rehub.migrate import report

    is_first = True
    for kind, (heading, colour) in _HEADINGS.items():
        lines = report.lines(reports, kind)
        if lines:
            if not is_first:
                output.write("")
            is_first = False
            title = "Rewritten" if is_written and kind == "rewritten" else heading
            output.write(f"{title} ({len(lines)})", bold=True, colour=colour)
            for line in lines:
                output.write(output.printable(line))


def _tell_summary(reports: Sequence[FileReport], files: int, is_written: bool) -> None:
    from rehub.migrate import report

    looked = f"{output.count(files, 'file')} looked at"
    if not reports:
        output.tell(f"{looked}: nothing uses tensorflow_hub.")
        return
    changed = sum(it.is_changed for it in reports)
    done = "rewritten" if is_written else "to be rewritten"
    output.tell(f"{looked}, {changed:,} {done}; {report.count(reports, 'by hand'):,} to do by hand.")
    if changed and not is_written:
        output.tell_hint("Run it with --diff to see the changes, with --write to make them.")
