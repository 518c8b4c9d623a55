"""What the operator's commands share: the hub that they are about."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rehub.errors import HandleError

if TYPE_CHECKING:
    from rehub.server.library import Library

_F = TypeVar("_F", bound=Callable[..., Any])


def store_option(command: _F) -> _F:
    """Gives a command the option that names the store of the hub."""
    return click.option(
        "--store",
        metavar="STORE",
        default="./hub",
        show_default=True,
        help="The hub: a folder, or a bucket as s3://BUCKET, gs://BUCKET or az://CONTAINER.",
    )(command)


def description_option(command: _F) -> _F:
    """Gives a command the option that names a file of Markdown."""
    return click.option(
        "--description-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file with the description, in Markdown.",
    )(command)


def library_of(store: str) -> Library:
    """Opens the library of a hub.

    Raises:
        NotFoundError: If it is a folder that does not exist.
        StoreError: If it is no store.
    """
    from rehub.server.library import Library
    from rehub.storage.opening import open_store

    return Library(open_store(store))


def read_text(path: Path | None) -> str | None:
    """Returns the content of a file that a person names; None for none."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"'{path}' cannot be read: {error}.") from error


def version_of(handle: str) -> tuple[str, int]:
    """Reads ``PUBLISHER/MODEL/VERSION``.

    Raises:
        HandleError: If it is something else.
    """
    from rehub.server.catalogue import parse_address

    address = parse_address(handle)
    if address is None or address.version is None:
        raise HandleError(
            f"{handle!r} is no version of a model.",
            hint="Write PUBLISHER/MODEL/VERSION, without the URL.",
            handle=handle,
        )
    return address.name, address.version


def is_meant(question: str, *, yes: bool) -> bool:
    """Asks a person at a terminal; nobody is asked elsewhere."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    return click.confirm(question, err=True)
