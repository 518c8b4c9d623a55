"""Lock files: models and what they have to be, as JSON that people compare line by line.

::

    {
      "format": 1,
      "models": {
        "https://HOST/PUBLISHER/MODEL": {
          "resolved": "https://HOST/PUBLISHER/MODEL/2",
          "sha256": "0f3a...",
          "size_bytes": 1234
        }
      }
    }

Keys are handles as programs write them, without a pin. ``sha256`` is the pin of the model, ``size_bytes`` the size of
all its files. Other keys are ignored.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from rehub.errors import FormatError, HandleError
from rehub.handle import parse

_FORMAT = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Locked:
    """One model of a lock file.

    Attributes:
        handle: As programs write it, without a pin.
        resolved: The URL of the version that it stands for: the same, where it names one, or the server knows none.
        sha256: The pin: the digest of all files.
        size_bytes: Of all files.
    """

    handle: str
    resolved: str
    sha256: str
    size_bytes: int


def write_lockfile(models: Iterable[Locked]) -> bytes:
    """Returns a lock file; the order of the models does not matter."""
    values = {model.handle: dataclasses.asdict(model) for model in sorted(models, key=lambda model: model.handle)}
    for value in values.values():
        del value["handle"]
    return (json.dumps({"format": _FORMAT, "models": values}, indent=2, ensure_ascii=False) + "\n").encode()


def read_lockfile(data: bytes) -> tuple[Locked, ...]:
    """Reads a lock file.

    Raises:
        FormatError: If it is damaged, of a newer format, or names one model twice.
    """
    try:
        values = json.loads(data, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise _damaged(str(error)) from error
    if not isinstance(values, dict) or values.get("format") != _FORMAT:
        raise FormatError(
            "the lock file is of a format that this version of rehub does not know.",
            hint="Make it with 'rehub lock', or use the version of rehub that made it.",
        )
    models = values.get("models")
    if not isinstance(models, dict):
        raise _damaged("it lists no models")
    return tuple(_locked(handle, value) for handle, value in models.items())


def _locked(handle: str, value: Any) -> Locked:
    if not isinstance(value, dict):
        raise _damaged(f"{handle!r} is no model")
    locked = Locked(handle, value.get("resolved", ""), value.get("sha256", ""), value.get("size_bytes", -1))
    for text in (locked.handle, locked.resolved):
        if not _can_be_locked(text):
            raise _damaged(f"{text!r} is no URL of a model without a pin")
    if not isinstance(locked.sha256, str) or not _SHA256.fullmatch(locked.sha256):
        raise _damaged(f"the sha256 of {handle} is {locked.sha256!r}")
    if type(locked.size_bytes) is not int or locked.size_bytes < 0:
        raise _damaged(f"the size of {handle} is {locked.size_bytes!r}")
    return locked


def _can_be_locked(text: object) -> bool:
    try:
        handle = parse(text)  # type: ignore[arg-type]
    except HandleError:
        return False
    return handle.is_downloadable and handle.pin is None


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return values


def _damaged(what: str) -> FormatError:
    return FormatError(f"the lock file is damaged: {what}.", hint="Make it again with 'rehub lock'.")
