"""``rehub lock``: which models a program uses, and what they have to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehub import configuration
from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples
from rehub.errors import ChecksumError, HubError, NotFoundError

if TYPE_CHECKING:
    from rehub.formats.lockfile import Locked


@click.command(
    "lock",
    epilog=examples(
        "rehub lock rehub.lock https://HUB/PUBLISHER/MODEL",
        "rehub lock --update rehub.lock",
        "rehub lock --check rehub.lock",
    ),
)
@click.argument("name", metavar="FILE", type=click.Path(dir_okay=False))
@click.argument("handles", metavar="[HANDLE...]", nargs=-1, shell_complete=cached_handles)
@click.option("--update", is_flag=True, help="Lock what is in FILE anew: to the newest versions, if it names none.")
@click.option("--check", is_flag=True, help="Write nothing; read the models, and exit with 1 if one is another.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead.")
@click.pass_context
def command(ctx: click.Context, name: str, handles: tuple[str, ...], update: bool, check: bool, as_json: bool) -> None:
    """Lock models to versions and hashes.

    Writes into FILE which models are used. Each HANDLE is downloaded, where needed, and added; one that is there
    already stays as it is. Without a HANDLE: all that is in the cache; with --update or --check: all that is in FILE.

    With REHUB_LOCKFILE=FILE, programs use of remote models only those that are in FILE, as they are there: a handle
    without a version stands for the locked one, and a model that differs is refused.
    """
    if "://" in name:
        raise click.UsageError("Name the file first, as in: rehub lock rehub.lock HANDLE", ctx)
    if update and check:
        raise click.UsageError("--update writes, and --check does not: name one of them.", ctx)
    file = Path(name)
    with configuration.settings(load_format="COMPRESSED", readonly_cache="error", lockfile=None):
        if check:
            _check(ctx, file, handles, as_json=as_json)
        else:
            _write(file, handles, update=update, as_json=as_json)


def _write(file: Path, handles: tuple[str, ...], *, update: bool, as_json: bool) -> None:
    from rehub.resolvers import lockfile

    models = {model.handle: model for model in lockfile.read(file)} if update or file.exists() else {}
    before = dict(models)
    if handles or update:
        for handle in dict.fromkeys(handles or models):
            if update or handle.partition("#")[0].strip() not in models:
                model = _lock(handle, update=update)
                models[model.handle] = model
    else:
        from rehub.cli.cache import contents

        models = {model.handle: model for model in lockfile.lock_all(contents.look())} | models
        if not models:
            raise NotFoundError(
                f"the cache folder {configuration.current().cache_root} holds no models to lock.",
                hint=f"Name them: rehub lock {file} HANDLE...",
            )
    if models != before or not file.exists():
        lockfile.write(file, models.values())
    if as_json:
        output.write_json([_facts(model, state=_state(model, before)) for model in models.values()])
        return
    for model in models.values():
        _print(_state(model, before), model)
    output.tell(f"{output.count(len(models), 'model')} in {file}.")


def _lock(handle: str, *, update: bool) -> Locked:
    from rehub.resolvers import lockfile
    from rehub.resolvers.chain import resolve

    ttl = {"unversioned_ttl_s": 0.0} if update else {}
    with configuration.settings(**ttl):
        return lockfile.lock(handle, resolve(handle))


def _check(ctx: click.Context, file: Path, handles: tuple[str, ...], *, as_json: bool) -> None:

    results = []
    for model in _chosen(handles, file):
        try:
            _verify(model, file)
        except HubError as error:
            output.tell_error(error)
            results.append((model, "differs" if isinstance(error, ChecksumError) else "failed"))
        else:
            results.append((model, "same"))
        if not as_json:
            _print(results[-1][1], model)
    if as_json:
        output.write_json([_facts(model, state=state) for model, state in results])
    bad = sum(state != "same" for _, state in results)
    output.tell(f"{output.count(len(results), 'model')} checked, {bad} not as locked.")
    if bad:
        ctx.exit(output.EXIT_ERROR)


def _chosen(handles: tuple[str, ...], file: Path) -> list[Locked]:
    """Returns all models of a file, or those of some handles, which may be any that it allows programs to use."""
    from rehub.handle import parse
    from rehub.resolvers import lockfile

    by_handle = {model.handle: model for model in lockfile.read(file)}
    with configuration.settings(lockfile=file) as settings:
        for handle in handles:
            if handle not in by_handle:
                lockfile.locked(parse(handle), settings)  # raises if it has another pin
                by_handle[handle] = lockfile.find(parse(handle), str(file))
    return list(dict.fromkeys(by_handle[handle] for handle in handles or by_handle))


def _verify(model: Locked, file: Path) -> None:
    """Reads all files of a model, and compares them with the lock file."""
    from rehub.cache.resolved import files_of
    from rehub.handle import parse
    from rehub.resolvers.chain import resolve
    from rehub.resolvers.lockfile import locked
    from rehub.resolvers.pin import check_pin

    with configuration.settings(lockfile=file) as settings:
        check_pin(locked(parse(model.handle), settings), files_of(resolve(model.handle)))


def _state(model: Locked, before: dict[str, Locked]) -> str:
    if model.handle not in before:
        return "added"
    return "kept" if before[model.handle] == model else "updated"


def _print(state: str, model: Locked) -> None:
    version = "" if model.resolved == model.handle else f" -> {model.resolved}"
    output.write(output.printable(f"{state:<7}  {model.handle}{version}"))


def _facts(model: Locked, *, state: str) -> dict[str, object]:
    return {
        "handle": model.handle,
        "resolved": model.resolved,
        "sha256": model.sha256,
        "size_bytes": model.size_bytes,
        "state": state,
    }
