"""The output folder: which parts are there, and whether they are of the same run."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehub.batch.plan import Plan
from rehub.batch.result import FAILURES
from rehub.cache import lock
from rehub.errors import DataError, LockTimeout

FILE = "_rehub.json"
SUCCESS = "_SUCCESS"
"""An empty file that is there when all parts are; the name is Hadoop's, and other tools look for it."""

_LOCK = ".lock"
_OURS = re.compile(rf"part-\d+\.parquet|\..*\.new|\{_LOCK}|{FILE}|{SUCCESS}|{FAILURES}|\.DS_Store")
_FORMAT = 1


def done(plan: Plan) -> frozenset[int]:
    """Returns the numbers of the fragments whose parts are there.

    Raises:
        DataError: If the parts are of another model, other data or other options.
    """
    found = frozenset(fragment.number for fragment in plan.fragments if plan.part(fragment.number).exists())
    if any(plan.output.glob("part-*.parquet")):
        _compare(_read(plan.output), plan)
    return found


def _check_for_strangers(plan: Plan) -> None:
    folder = plan.output
    if not folder.exists():
        return
    names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    strangers = sorted(name for name in names if not _OURS.fullmatch(name))
    if strangers or not folder.is_dir():
        what = f"with {', '.join(strangers[:3])}" if strangers else "and no folder"
        raise DataError(
            f"'{folder}' is there already, {what}.",
            hint="Name a folder that is new.",
            path=str(folder),
        )


def begin(plan: Plan) -> None:
    """Notes what the folder is for; what a killed worker left there is removed."""
    for left in (*plan.output.glob(".*.new"), *plan.output.glob(f"{FAILURES}/.*.new")):
        left.unlink(missing_ok=True)
    facts = {"format": _FORMAT, "handle": plan.handle, "parts": len(plan.fragments), **plan.identity()}
    temporary = plan.output / f".{FILE}.new"
    temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    temporary.replace(plan.output / FILE)


@contextlib.contextmanager
def alone(plan: Plan) -> Iterator[None]:
    """Keeps the folder for this process; if nothing comes of the block, the folder goes again.

    Raises:
        DataError: If another run writes to it, or it cannot be written, or holds something else.
    """
    _check_for_strangers(plan)
    with contextlib.ExitStack() as stack:
        try:
            plan.output.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock.hold(plan.output / _LOCK, 0))
        except LockTimeout as error:
            raise DataError(
                f"Another run writes to '{plan.output}' at this moment: {error.owner}.",
                hint="Wait for it, or name another folder.",
                path=str(plan.output),
            ) from error
        except OSError as error:
            raise DataError(
                f"'{plan.output}' cannot be written: {error.strerror}.",
                hint="Name another folder.",
                path=str(plan.output),
            ) from error
        stack.callback(_tidy, plan)
        yield


def _tidy(plan: Plan) -> None:
    if not any(plan.output.glob("part-*.parquet")):
        (plan.output / FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # Windows removes no file that is in use
        (plan.output / _LOCK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it is not empty
        plan.output.rmdir()


def finish(plan: Plan) -> None:
    """Notes that all parts are there."""
    (plan.output / SUCCESS).touch()


def _read(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = {}
    if not isinstance(facts, dict) or facts.get("format") != _FORMAT:
        raise DataError(
            f"'{folder}' has parts, but no file {FILE} that tells what they are of.",
            hint="Name a folder that is new.",
            path=str(folder),
        )
    return facts


def _compare(facts: dict[str, Any], plan: Plan) -> None:
    wanted = {**plan.identity(), "parts": len(plan.fragments)}
    different = [name for name, value in wanted.items() if facts.get(name) != value]
    if different:
        raise DataError(
            f"'{plan.output}' was begun with another {' and another '.join(map(_in_words, different))}"
            + (f": {facts.get(different[0])!r}, now {wanted[different[0]]!r}." if len(different) == 1 else "."),
            hint="Name a folder that is new; or remove this one, to begin anew.",
            path=str(plan.output),
        )


def _in_words(name: str) -> str:
    return name.replace("_", " ")
