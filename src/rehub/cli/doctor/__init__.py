"""``rehub doctor``: what is here, what is wrong, and what to do about it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from rehub import configuration
from rehub.cli import output
from rehub.cli.group import examples
from rehub.errors import HubError

if TYPE_CHECKING:
    from rehub.cli.doctor.report import Problem, Section


@click.command("doctor", epilog=examples("rehub doctor", "rehub doctor --deep", "rehub doctor --json > report.json"))
@click.option("--deep", is_flag=True, help="Also import TensorFlow, which takes some seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@click.pass_context
def command(ctx: click.Context, deep: bool, as_json: bool) -> None:
    """Tell what is here, what is wrong and how to fix it.

    That is: versions, settings, cache and network. No connection is opened, and no secret is shown. Exits with 1 if
    something cannot work.
    """
    sections = _examine(deep=deep)
    problems = [problem for section in sections for problem in section.problems]
    if as_json:
        output.write_json(
            {
                "sections": {section.title: dict(section.facts) for section in sections},
                "problems": [dataclasses.asdict(problem) for problem in problems],
            }
        )
    else:
        _print(sections, problems)
    if any(problem.severity == "error" for problem in problems):
        ctx.exit(output.EXIT_ERROR)


def _examine(*, deep: bool) -> list[Section]:
    from rehub.cli.doctor import cache_folder, network, tensorflow_import, variables, versions

    sections = [versions.examine()]
    if deep:
        output.tell("Importing TensorFlow …")
        sections.append(tensorflow_import.examine())
    sections.append(variables.examine())
    try:
        settings = configuration.current()
    except HubError:
        return sections  # told by the section of the variables; what the others would examine is not known
    return [*sections, cache_folder.examine(settings), network.examine(settings)]


def _print(sections: list[Section], problems: list[Problem]) -> None:
    for section in sections:
        output.write(section.title, bold=True)
        output.write_table([(f"  {name}", _shown(value)) for name, value in section.facts.items()])
        output.write("")
    for problem in problems:
        output.write(f"{output.mark(problem.severity)} {output.printable(problem.what)}")
        output.write(f"{output.mark('hint')} {problem.fix}")
    if not problems:
        output.write("No problems found.")


def _shown(value: str | int | bool | None) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
