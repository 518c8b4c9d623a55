"""Mirrors: servers that are asked in place of others, such as of one that is gone.

Models keep their handles: a mirror only says where the bytes come from.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from rehub.cache import layout
from rehub.configuration import Settings
from rehub.handle import Handle, parse
from rehub.transport.origin import is_loopback

_GOOGLE_CN = "hub.tensorflow.google.cn"


def mirrored(handle: Handle, settings: Settings) -> Handle:
    """Returns the handle by which a server is asked for a model: the same, if no mirror is set for it."""
    pair = _pair(handle, settings)
    return handle if pair is None else _moved(handle, *pair)


def unmirrored(answered: Handle, handle: Handle, settings: Settings) -> Handle:
    """Returns the handle that a model has without mirrors.

    Args:
        answered: The one that a server names for ``handle``, on whatever server.
        handle: The one that the user named.
        settings: Which mirrors there are.
    """
    pair = _pair(handle, settings)
    return answered if pair is None or not _begins(answered, pair[1]) else _moved(answered, *pair[::-1])


def is_google_cn(handle: Handle) -> bool:
    """Whether a handle is of the mirror of tfhub.dev whose URLs never change what they stand for."""
    return urlsplit(handle.location).hostname == _GOOGLE_CN


def _pair(handle: Handle, settings: Settings) -> tuple[str, str] | None:
    """Returns the longest URL with a mirror that a handle begins with, and its mirror; else what is for all others."""
    pairs = [(parse(url).location, parse(mirror).location) for url, mirror in dict(settings.mirrors).items()]
    longest = max((pair for pair in pairs if _begins(handle, pair[0])), key=lambda pair: len(pair[0]), default=None)
    if longest is not None or settings.mirror is None:
        return longest
    mirror = parse(settings.mirror).location
    if _begins(handle, mirror) or is_loopback(handle.location):
        return None
    url = urlsplit(handle.location)
    return f"{url.scheme}://{url.netloc}", f"{mirror}/{layout.host_folder(handle)}"


def _begins(handle: Handle, url: str) -> bool:
    return handle.location.startswith(url) and handle.location[len(url) :][:1] in ("", "/", "?")


def _moved(handle: Handle, old: str, new: str) -> Handle:
    return parse(new + handle.location[len(old) :])
