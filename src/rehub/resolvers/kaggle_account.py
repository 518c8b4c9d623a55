"""The account at Kaggle, as Kaggle's own clients find it.

Source: kagglehub 1.0 and kagglesdk, their environment variables and files, and the order in which they are asked.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from rehub.errors import SettingError
from rehub.resolvers.token_file import warn_if_open
from rehub.transport.credential import Credential

ORIGIN = "https://www.kaggle.com"
_NEW_TOKEN = "Get a new one at https://www.kaggle.com/settings/api."  # noqa: S105 - an address


def find_account() -> Credential | None:
    """Returns what shows Kaggle who asks, None if this user has no account there.

    Raises:
        SettingError: If a file of Kaggle's cannot be read.
    """
    return _token() or _user_and_key()


def _token() -> Credential | None:
    value = os.environ.get("KAGGLE_API_TOKEN", "").strip()
    if value and not os.path.isfile(value):  # noqa: PTH113 - takes any text, also one too long for a path
        return Credential.bearer(value, "KAGGLE_API_TOKEN")
    home = _home()
    for path in [Path(value)] if value else [home / "access_token", home / "access_token.txt"]:
        text = _text(path)
        if text:
            return Credential.bearer(text, f"the token of {path}")
    return None


def _user_and_key() -> Credential | None:
    user, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    if user and key:
        return Credential.basic(user, key, "KAGGLE_USERNAME and KAGGLE_KEY")
    path = Path(os.environ.get("KAGGLE_CONFIG_DIR") or _home()) / "kaggle.json"
    text = _text(path)
    if not text:
        return None
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        values = {}
    user, key = values.get("username"), values.get("key")
    if isinstance(user, str) and isinstance(key, str):
        return Credential.basic(user, key, f"the key of {path}")
    raise SettingError(f"{path} is no key of Kaggle's.", hint=_NEW_TOKEN)


def _home() -> Path:
    return Path(os.path.expanduser("~/.kaggle"))  # noqa: PTH111 - leaves the text alone when nobody has a home


def _text(path: Path) -> str:
    """Returns what a file holds; nothing if there is none."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror or error}.", hint=_NEW_TOKEN) from error
    except UnicodeDecodeError:
        pass
    else:
        warn_if_open(path)
        return text
    raise SettingError(f"{path} is no text.", hint=_NEW_TOKEN)  # the other error holds the text
