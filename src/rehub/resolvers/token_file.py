"""The file of tokens: one for each server, readable by its owner only.

It reads ``{"tokens": {"https://HOST": "TOKEN"}}``. Who writes it by hand may omit ``https://``.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehub.configuration import without_login
from rehub.errors import SettingError
from rehub.transport.credential import Credential
from rehub.transport.origin import is_private, named_origin

_FORM = '{"tokens": {"https://HOST": "TOKEN"}}'


def read_tokens(path: Path) -> dict[str, str]:
    """Returns the tokens of a file by origin; none if there is no file.

    Raises:
        SettingError: If the file cannot be read, or is none of tokens.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):  # the latter where the home of a user is /dev/null
        return {}
    except OSError as error:
        raise SettingError(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="Let this user read it, or name another file in REHUB_CREDENTIALS_FILE.",
        ) from error
    values = _parsed(data, path)
    tokens = values.get("tokens") if isinstance(values, dict) else None
    if not isinstance(tokens, dict) or not all(isinstance(token, str) for token in tokens.values()):
        raise SettingError(f"{path} is no file of tokens.", hint=f"It reads {_FORM}; or remove it, and log in again.")
    warn_if_open(path)
    return {_origin(host, path): token for host, token in tokens.items()}


def server_for_token(host: str) -> str:
    """Returns the origin to which a token will be sent, and to no other.

    Args:
        host: ``HOST``, ``HOST:PORT`` or a URL.

    Raises:
        SettingError: If it is none, or is to be asked without encryption.
    """
    place = _origin(host)
    if not is_private(place):
        raise SettingError(
            f"there can be no token for {place}: everyone on the way could read it.",
            hint=f"Use https, as in https://{place.partition('://')[2]}.",
        )
    return place


def store_token(path: Path, host: str, token: str) -> None:
    """Stores the token for a server, in place of the one it had.

    Args:
        path: The file; made if there is none.
        host: ``HOST``, ``HOST:PORT`` or a URL.
        token: The secret.

    Raises:
        SettingError: If the host is none, is to be asked without encryption, the token cannot be sent, or the file
            cannot be read or written.
    """
    place = server_for_token(host)
    Credential.bearer(token, f"the token for {place}")  # says so now if it is none
    _write(path, {**read_tokens(path), place: token.strip()})


def remove_token(path: Path, host: str) -> bool:
    """Removes the token for a server; returns whether there was one.

    Raises:
        SettingError: If the host is none, or the file cannot be read or written.
    """
    place, tokens = _origin(host), read_tokens(path)
    if place not in tokens:
        return False
    del tokens[place]
    _write(path, tokens)
    return True


def warn_if_open(path: Path) -> None:
    """Warns if others than its owner may read a file that holds secrets."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        warnings.warn(f"others may read {path}, which holds secrets. Run: chmod 600 {path}", stacklevel=2)


def _parsed(data: bytes, path: Path) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(data)
    # Outside of the handler, because the errors of the parser hold the whole text.
    raise SettingError(
        f"{path} cannot be read: it is no JSON.", hint=f"It reads {_FORM}; or remove it, and log in again."
    )


def _origin(host: str, path: Path | None = None) -> str:
    try:
        return named_origin(host)
    except ValueError:
        where = f" in {path}" if path is not None else ""
        raise SettingError(
            f"{without_login(host)!r}{where} is no server.", hint="Name it as HOST, HOST:PORT or https://HOST."
        ) from None


def _write(path: Path, tokens: Mapping[str, str]) -> None:
    real = path.resolve()  # a link stays one
    try:
        real.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Such a file is its owner's from the start; the rename leaves readers the old one or the new one.
        descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=".credentials-")
        new = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(json.dumps({"tokens": dict(tokens)}, indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(real)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingError(
            f"{path} cannot be written: {error.strerror or error}.", hint="Name another file in REHUB_CREDENTIALS_FILE."
        ) from error
