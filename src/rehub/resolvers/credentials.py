"""Credentials: what is sent to which server.

For a server: the token of the settings, the token of the file, Kaggle's account, netrc; the first that has something
for it counts. Tokens and Kaggle's account belong to one origin (scheme, host and port), and go there only. An entry of
netrc belongs to a host; it goes to the server of the handle only, not to another port to which that one redirects.
Nothing goes anywhere without encryption, except on this machine.
"""

from __future__ import annotations

import netrc
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rehub.configuration import Settings, without_login
from rehub.errors import SettingError
from rehub.resolvers import kaggle_account
from rehub.resolvers.token_file import read_tokens, warn_if_open
from rehub.transport.credential import Credential
from rehub.transport.origin import is_private, is_same_origin, named_origin, origin


def find(url: str, settings: Settings, *, asked: str) -> Credential | None:
    """Returns what may be sent to a URL to show who asks.

    Args:
        url: Where the request goes.
        settings: Which tokens there are.
        asked: The URL that the user named, where this one may be what it redirects to.

    Raises:
        SettingError: If the token of the settings is for no server, or a file of credentials cannot be read.
    """
    if not is_private(url):
        return None
    try:
        place = origin(url)
    except ValueError:
        return None
    return _own_token(place, settings) or _kaggle(place) or (_netrc(url) if is_same_origin(url, asked) else None)


def own_token(place: str, settings: Settings) -> tuple[str, str] | None:
    """Returns the token that rehub itself has for a server, and which one it is, for messages.

    Args:
        place: The origin of the server.
        settings: Which tokens there are.

    Raises:
        SettingError: If the token of the settings is for no server, or the file of tokens cannot be read.
    """
    if settings.token and _token_host(settings) == place:
        return settings.token, f"the token for {place} of REHUB_TOKEN"
    path = settings.credentials_path
    token = read_tokens(path).get(place)
    return None if token is None else (token, f"the token for {place} of {path}")


def known(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Returns the servers for which there are credentials, and where these come from; no secrets.

    Servers of netrc are hosts, others are origins. One that comes twice is listed twice; its first credentials count.

    Raises:
        SettingError: If the token of the settings is for no server, or a file of credentials cannot be read.
    """
    found = [(host, "REHUB_TOKEN") for host in [_token_host(settings)] if host]
    found += [(host, str(settings.credentials_path)) for host in read_tokens(settings.credentials_path)]
    account = kaggle_account.find_account()
    found += [(kaggle_account.ORIGIN, account.source)] if account is not None else []
    path, entries = _netrc_entries()
    return (*found, *((host, str(path)) for host in entries))


def _own_token(place: str, settings: Settings) -> Credential | None:
    found = own_token(place, settings)
    return None if found is None else Credential.bearer(*found)


def _token_host(settings: Settings) -> str | None:
    """Returns the origin for which the token of the settings is, None if there is none."""
    if not settings.token:
        return None
    if not settings.token_host:
        raise SettingError(
            "REHUB_TOKEN is set, but not for which server.",
            hint="Set REHUB_TOKEN_HOST to HOST, HOST:PORT or https://HOST.",
            setting="REHUB_TOKEN_HOST",
        )
    try:
        return named_origin(settings.token_host)
    except ValueError:
        raise SettingError(
            f"REHUB_TOKEN_HOST is {without_login(settings.token_host)!r}.",
            hint="Set it to HOST, HOST:PORT or https://HOST.",
            setting="REHUB_TOKEN_HOST",
        ) from None


def _kaggle(place: str) -> Credential | None:
    return kaggle_account.find_account() if place == kaggle_account.ORIGIN else None


def _netrc(url: str) -> Credential | None:
    path, entries = _netrc_entries()
    host = urlsplit(url).hostname or ""
    if path is None or host not in entries:
        return None
    warn_if_open(path)
    user, password = entries[host]
    return Credential.basic(user, password, f"the entry for {host} of {path}")


def _netrc_entries() -> tuple[Path | None, Mapping[str, tuple[str, str]]]:
    """Returns the netrc file in use, and its logins by host.

    Its entry ``default``, which is for any host, is not one of them: nobody named those servers.
    """
    named = os.environ.get("NETRC")
    for text in [named] if named else ["~/.netrc", "~/_netrc"]:
        path = Path(os.path.expanduser(text))  # noqa: PTH111 - leaves the text alone when nobody has a home
        try:
            hosts = netrc.netrc(str(path)).hosts
        except FileNotFoundError:
            continue
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError) as error:
            # What the parser says may be a password that stands at the wrong place.
            line = f"line {error.lineno}" if isinstance(error, netrc.NetrcParseError) else type(error).__name__
            warnings.warn(f"{path} cannot be read ({line}), so nothing of it is used.", stacklevel=2)
            continue
        return path, {
            host: (user or "", password or "") for host, (user, _, password) in hosts.items() if host != "default"
        }
    return None, {}
