"""Connection pools: which certificates are trusted, and through which proxy a URL is reached."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import urllib.request
import warnings
from urllib.parse import unquote, urlsplit

import truststore
import urllib3
import urllib3.connection

from rehub.configuration import Settings
from rehub.errors import TransferError
from rehub.transport.deadlines import Deadline
from rehub.transport.origin import is_loopback


class Connections:
    """Opens connections as the settings and the environment say, and keeps them for the next request.

    Proxies come from ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` (or lower case), or from the
    system's settings on macOS and Windows. What is asked of this machine goes past them: a proxy would look for it on
    its own machine, and would see what is sent without encryption.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pools: dict[tuple[bool, str | None], urllib3.PoolManager] = {}

    def pool(self, url: str) -> urllib3.PoolManager:
        """Returns the pool through which a URL is reached.

        Raises:
            TransferError: If the proxy or the file of certificate authorities cannot be used.
        """
        proxy = _proxy(url)
        secure = url.startswith("https:")
        if secure and not self._settings.verify_tls:
            warnings.warn(
                f"the certificate of {urlsplit(url).hostname} is not checked, so anyone on the way can replace the "
                "model: unset TFHUB_DISABLE_CERT_VALIDATION, and name your authority in REHUB_CA_BUNDLE instead.",
                stacklevel=2,
            )
        if (secure, proxy) not in self._pools:
            self._pools.setdefault((secure, proxy), self._new_pool(proxy, secure=secure))  # of two threads one wins
        return self._pools[secure, proxy]

    def close(self) -> None:
        """Closes all connections."""
        for pool in self._pools.values():
            pool.clear()
        self._pools.clear()

    def _new_pool(self, proxy: str | None, *, secure: bool) -> urllib3.PoolManager:
        limit_s = self._settings.timeout_s if 0 < self._settings.timeout_s < math.inf else None
        timeout = urllib3.Timeout(connect=limit_s, read=limit_s)
        # The certificate authorities of a system take a while to load, so only where they are needed.
        tls = self._tls_context() if secure or (proxy or "").startswith("https:") else None
        if proxy is None:
            return _timed(
                urllib3.PoolManager(maxsize=self._settings.connections, ssl_context=tls, timeout=timeout, retries=False)
            )
        parts = urlsplit(proxy)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TransferError(
                f"the proxy {parts.scheme}://{parts.hostname} is of a kind that rehub cannot use.",
                hint="Set HTTPS_PROXY and HTTP_PROXY to http://HOST:PORT.",
            )
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        return _timed(
            urllib3.ProxyManager(
                proxy,
                maxsize=self._settings.connections,
                proxy_headers=urllib3.make_headers(proxy_basic_auth=login),
                proxy_ssl_context=tls,
                ssl_context=tls,
                timeout=timeout,
                retries=False,
            )
        )

    def _tls_context(self) -> ssl.SSLContext:
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not self._settings.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._settings.ca_bundle:
            try:
                context.load_verify_locations(self._settings.ca_bundle)
            except OSError as error:  # SSLError is one
                raise TransferError(
                    f"the certificate authorities in {self._settings.ca_bundle!r} cannot be read: {error}.",
                    hint="REHUB_CA_BUNDLE names a PEM file.",
                ) from error
        return context


class _Timed(urllib3.connection.HTTPConnection):
    """A connection that has to be made, and the head of an answer that has to come, in time."""

    def connect(self) -> None:
        # Longer than the timeout: a host may have several addresses, of which the first do not answer.
        with self._deadline(3):
            super().connect()

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3 itself has it
        with self._deadline(1):
            return super().getresponse()

    def _deadline(self, times: float) -> Deadline:
        limit_s = times * self.timeout if isinstance(self.timeout, (int, float)) else None
        return Deadline(limit_s, self._shut)

    def _shut(self) -> None:
        connected = getattr(self.sock, "socket", self.sock)  # of TLS within TLS, the outer one
        if connected is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)  # and not that of TLS, where another thread reads


class _TimedTls(_Timed, urllib3.connection.HTTPSConnection):
    """The same with TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Timed


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TimedTls


def _timed(pools: urllib3.PoolManager) -> urllib3.PoolManager:
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pools


def _proxy(url: str) -> str | None:
    parts = urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
