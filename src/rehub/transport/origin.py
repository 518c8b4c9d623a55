"""Origins: scheme, host and port, which together say to whom a request goes."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Parsers disagree about whose host it is in 'https://a\@b'; what does not look like HOST or HOST:PORT is no address.
_AUTHORITY = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def origin(url: str) -> str:
    """Returns ``SCHEME://HOST[:PORT]`` of a URL, in lower case and without the port that the scheme has anyway.

    Raises:
        ValueError: If it is no URL of the web, or has a user name.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not _AUTHORITY.fullmatch(parts.netloc):
        raise ValueError("no http or https URL")
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def is_same_origin(url: str, other: str) -> bool:
    """Whether both URLs are of the web, and of the same origin."""
    try:
        return origin(url) == origin(other)
    except ValueError:
        return False


def named_origin(text: str) -> str:
    """Returns the origin that a person means by ``HOST``, ``HOST:PORT`` or a URL.

    Without a scheme it is https, and http on this machine.

    Raises:
        ValueError: If it is neither.
    """
    text = text.strip()
    if "://" in text:
        return origin(text)
    plain = origin(f"http://{text}")
    return plain if is_loopback(plain) else origin(f"https://{text}")


def is_loopback(url: str) -> bool:
    """Whether what is sent to a URL stays on this machine."""
    import ipaddress  # which a hit of the cache does not need

    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent to a URL."""
    return urlsplit(url).scheme == "https" or is_loopback(url)
