"""The options that both classifiers have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rehub.cli.completion import cached_handles


class _Validation(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer releases
    """A share, or a path that exists."""

    name = "validation"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | Path:
        if isinstance(value, (float, Path)):
            return value
        try:
            share = float(value)
        except ValueError:
            if not Path(value).exists():
                self.fail(f"'{value}' is no number, and no file or folder that exists.", param, ctx)
            return Path(value)
        if not 0 < share < 1:
            self.fail(f"{value} is no share between 0 and 1.", param, ctx)
        return share


_OPTIONS = (
    click.option(
        "--handle",
        metavar="HANDLE",
        required=True,
        shell_complete=cached_handles,
        help="The published model: a URL or a path.",
    ),
    click.option(
        "--output",
        "-o",
        type=click.Path(path_type=Path),
        help="The folder to make, which must not exist.  [default: DATA's name and -classifier]",
    ),
    click.option(
        "--validation",
        type=_Validation(),
        metavar="SHARE|PATH",
        default=0.2,
        show_default=True,
        help="The share of the examples that is kept to validate by; or other examples, of the same form as DATA.",
    ),
    click.option(
        "--fine-tune/--frozen",
        default=True,
        show_default=True,
        help="Train a new last layer, then all of it at a low rate; or that layer alone.",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(min=1),
        help="Of fine-tuning; with --frozen, of the last layer.  [default: 5; 30]",
    ),
    click.option(
        "--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Examples of one step."
    ),
    click.option(
        "--learning-rate",
        type=click.FloatRange(min=0, min_open=True),
        help="The highest one of fine-tuning; with --frozen, of the last layer.  [default: by the model]",
    ),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is left to chance."
    ),
    click.option("--signature", help="The signature of the model to use."),
    click.option("--output-key", help="The output of the model to use."),
    click.option("--skip-broken", is_flag=True, help="Leave out examples that cannot be used, and say which."),
    click.option("--json", "as_json", is_flag=True, help="Print a JSON object with all measurements instead."),
)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def output_of(data: Path, output: Path | None) -> Path:
    """Returns the folder to make."""
    name = data.resolve()
    return output or Path(f"{name.name if name.is_dir() else name.stem}-classifier")
