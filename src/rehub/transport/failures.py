"""What it means when a request fails, and what to do then."""

from __future__ import annotations

import errno
import ssl
from urllib.parse import urlsplit

import urllib3.exceptions

from rehub.errors import OfflineError, TransferError
from rehub.transport.redirects import shown

_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH})
# How OpenSSL calls it when a server answers without encryption, in old and in new releases.
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
_PORTS = {"http": 80, "https": 443}


class TooSlow(OSError):  # noqa: N818 - says what happened
    """A connection brings next to nothing, for so long that it counts as broken."""

    def __init__(self, count_bytes: int, seconds: float) -> None:
        super().__init__(f"{count_bytes} bytes in {seconds:.0f} s")


def failed(url: str, broken: Exception, timeout_s: float, *, is_fetching: bool = True) -> TransferError:
    """Makes the error for a request that brought no answer.

    Args:
        url: What was asked for.
        broken: What urllib3 or the system said.
        timeout_s: For how long nothing may come.
        is_fetching: Whether something was to come, and not to be sent.
    """
    what, hint = explained(url, broken, timeout_s)
    url = shown(url)
    if _is_out_of_reach(broken):
        return OfflineError(f"{url} is out of reach: {what}.", hint=hint, url=url)
    return TransferError(f"{url} could not be {'fetched' if is_fetching else 'reached'}: {what}.", hint=hint, url=url)


def explained(url: str, broken: Exception, timeout_s: float) -> tuple[str, str]:
    """Returns what happened, without a full stop, and what to do then. Arguments as of `failed`."""
    place = _place(url)
    if _is_out_of_reach(broken):
        return (
            f"no way leads to {place} ({_last_words(broken)})",
            "Check the network and the spelling of the host. REHUB_OFFLINE=1 uses only what the cache holds; "
            "REHUB_MIRRORS names a server in place of one that is gone.",
        )
    if _is_untrusted(broken):
        return (
            f"the certificate of {place} is not trusted ({_last_words(broken)})",
            "If an authority of your own signed the certificate, name its PEM file in REHUB_CA_BUNDLE.",
        )
    if _is_plain(broken):
        return f"{place} speaks no TLS", "If that server is to be asked without encryption, write http://"
    if isinstance(broken, urllib3.exceptions.ProxyError):
        return f"the proxy failed ({_last_words(broken)})", "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
    if isinstance(broken.__cause__, ConnectionRefusedError):
        return f"nothing answers at {place}", "Is the server running, and is the port right?"
    if isinstance(broken, TooSlow):
        return f"{place} is too slow ({broken})", "Try again, or allow less with REHUB_MIN_BYTES_PER_S."
    if isinstance(broken, urllib3.exceptions.TimeoutError):
        return f"no answer from {place} for {timeout_s:g} s", "Try again, or allow more time with REHUB_TIMEOUT_S."
    if isinstance(broken, urllib3.exceptions.ProtocolError) and "IncompleteRead" in str(broken):
        return f"the connection to {place} ended early", "Try again."
    return f"the connection to {place} broke ({_last_words(broken)})", "Try again."


def is_lasting(broken: Exception) -> bool:
    """Whether it would fail again at once."""
    return _is_out_of_reach(broken) or _is_untrusted(broken) or _is_plain(broken)


def _place(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or _PORTS[parts.scheme]}"


def _is_out_of_reach(broken: Exception) -> bool:
    cause = broken.__cause__ or broken.__context__
    is_unreachable = isinstance(cause, OSError) and cause.errno in _UNREACHABLE
    return is_unreachable or isinstance(broken, urllib3.exceptions.NameResolutionError)


def _is_untrusted(broken: Exception) -> bool:
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _tls_errors(broken))


def _is_plain(broken: Exception) -> bool:
    return any(cause.reason in _NO_TLS for cause in _tls_errors(broken))


def _tls_errors(broken: Exception) -> list[ssl.SSLError]:
    if not isinstance(broken, urllib3.exceptions.SSLError):
        return []
    return [cause for cause in (*broken.args, broken.__cause__) if isinstance(cause, ssl.SSLError)]


def _last_words(broken: Exception) -> str:
    """Returns what the innermost error says, which the outer ones only repeat."""
    inner: BaseException = broken
    while True:
        causes = [cause for cause in (inner.__cause__, *reversed(inner.args)) if isinstance(cause, BaseException)]
        if not causes:
            return (inner.strerror if isinstance(inner, OSError) else None) or str(inner) or type(inner).__name__
        inner = causes[0]
