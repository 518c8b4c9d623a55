"""``rehub publish check``: what users of a model will meet, before it is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.publish.check_report import CheckReport, Finding

_COLOURS = {"error": "red", "warning": "yellow"}


@click.command(
    "check",
    epilog=examples(
        "rehub publish check path/to/model",
        "rehub publish check --strict --json path/to/model > report.json",
        "rehub publish check --no-run path/to/model",
    ),
)
@click.argument("handle", metavar="PATH", shell_complete=cached_handles)
@click.option(
    "--card",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The model card, if it is not card.md in the model folder.",
)
@click.option("--run/--no-run", default=True, show_default=True, help="Also run the model, which needs TensorFlow.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long the model may run.",
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0, min_open=True),
    default=16,
    show_default=True,
    metavar="GB",
    help="How much memory it may take; on Linux.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@click.option("--all", "show_all", is_flag=True, help="List the rules that do not apply, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
@click.pass_context
def command(
    ctx: click.Context,
    handle: str,
    card: Path | None,
    run: bool,
    timeout: float,
    memory: float,
    strict: bool,
    show_all: bool,
    as_json: bool,
) -> None:
    """Look for what users of a model would stumble over.

    That is: files, the Reusable SavedModel interface, signatures, outputs, what the program reaches out to, and the
    model card; docs/publishing.md explains each code. Then the model is loaded, called and trained by one step, in a
    process of its own: check your own models only, or pass --no-run. Exits with 1 if there are errors.
    """
    from rehub.publish.check import check
    from rehub.publish.probe import Limits

    if run and not as_json:
        output.tell("Reading the model, and running it …")
    report = check(handle, card=card, run=run, limits=Limits(timeout, int(memory * 1e9)))
    if as_json:
        output.write_json(report.to_json())
    else:
        _print(report, show_all)
    if report.errors or (strict and report.warnings):
        ctx.exit(output.EXIT_ERROR)


def _print(report: CheckReport, show_all: bool) -> None:
    if report.findings:
        rows = [row for finding in report.findings for row in _rows(finding)]
        colours = [colour for finding in report.findings for colour in (_COLOURS[finding.severity], None)]
        output.write_table(rows, headings=("CODE", "WHERE", "WHAT IS WRONG, AND WHAT TO DO"), colours=colours)
        output.write("")
    if show_all and report.skipped:
        reasons = [(each.code, each.reason) for each in report.skipped]
        output.write_table(reasons, headings=("CODE", "WHY IT DOES NOT APPLY"))
        output.write("")
    problems = [output.count(report.errors, "error"), output.count(report.warnings, "warning")]
    output.write(", ".join(problems) if report.findings else "No problems found.", bold=True)
    if report.skipped and not show_all:
        output.tell(f"{output.count(len(report.skipped), 'rule')} not applied; --all lists them.")


def _rows(finding: Finding) -> list[tuple[str, str, str]]:
    what = f"{finding.what[0].upper()}{finding.what[1:]}."
    return [(finding.code, finding.where, what), ("", "", finding.fix)]
