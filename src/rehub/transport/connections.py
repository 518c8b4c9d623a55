"""Connection pools: which certificates are trusted, and through which proxy a URL is reached."""

from __future__ import annotations

import math
import ssl
import urllib.request
import warnings
from urllib.parse import unquote, urlsplit

import truststore
import urllib3

from rehub.configuration import Settings
from rehub.errors import TransferError
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
            self._pools[secure, proxy] = self._new_pool(proxy, secure=secure)
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
            return urllib3.PoolManager(ssl_context=tls, timeout=timeout, retries=False)
        parts = urlsplit(proxy)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TransferError(
                f"the proxy {parts.scheme}://{parts.hostname} is of a kind that rehub cannot use.",
                hint="Set HTTPS_PROXY and HTTP_PROXY to http://HOST:PORT.",
            )
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        return urllib3.ProxyManager(
            proxy,
            proxy_headers=urllib3.make_headers(proxy_basic_auth=login),
            proxy_ssl_context=tls,
            ssl_context=tls,
            timeout=timeout,
            retries=False,
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


def _proxy(url: str) -> str | None:
    parts = urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
