"""``rehub index query``: the rows that are nearest to a text or an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rehub.cli import output
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.index.search import Match


@click.command(
    "query",
    epilog=examples(
        "rehub index query reviews.index 'the food was cold'",
        "rehub index query pictures.index path/to/picture.jpg --count 3 --json",
    ),
)
@click.argument("index", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("queries", metavar="QUERY...", nargs=-1, required=True)
@click.option("-k", "--count", type=click.IntRange(min=1), default=10, show_default=True, help="How many rows to find.")
@click.option("--column", multiple=True, help="A column to show; may be given several times. By default, all.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
def command(index: Path, queries: tuple[str, ...], count: int, column: tuple[str, ...], as_json: bool) -> None:
    """Find the rows that are nearest to QUERY.

    A QUERY is a text, or for a model that takes images the path of one. It goes through the model that the index is of,
    which is loaded by its handle.
    """
    from rehub.index import open_index
    from rehub.runtime.tf_version import import_quietly

    opened = open_index(index)
    opened.check_columns(column)
    import_quietly()
    found = opened.query(queries, count)
    if as_json:
        output.write_json(
            [
                {
                    "query": query,
                    "matches": [{"score": each.score, "row": _plain(_shown(each, column))} for each in matches],
                }
                for query, matches in zip(queries, found, strict=True)
            ]
        )
        return
    for query, matches in zip(queries, found, strict=True):
        if len(queries) > 1:
            output.write(query, bold=True)
        headings = ["SCORE", *(name.upper() for name in _shown(matches[0], column))]
        rows = [[f"{each.score:.3f}", *map(_text, _shown(each, column).values())] for each in matches]
        output.write_table(rows, headings=headings, right=(0,))


def _shown(match: Match, columns: tuple[str, ...]) -> Mapping[str, Any]:
    return {name: value for name, value in match.row.items() if not columns or name in columns}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return output.size(len(value))
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else _text(value)
