"""How servers would be reached. No connection is opened."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

from rehub.cli.doctor.report import Problem, Section
from rehub.configuration import Settings
from rehub.errors import HubError
from rehub.resolvers import credentials


def examine(settings: Settings) -> Section:
    """Tells the settings of the network, without the passwords in them."""
    proxies = urllib.request.getproxies()
    facts: dict[str, str | int | bool | None] = {
        "offline": settings.offline,
        "certificates checked": settings.verify_tls,
        "certificate authorities": "those of the system"
        + (f", and {settings.ca_bundle}" if settings.ca_bundle else ""),
        "timeout": f"{settings.timeout_s:g} s",
        "retries": settings.retries,
    }
    for kind in ("http", "https", "all"):
        if kind in proxies:
            facts[f"proxy for {kind}"] = _without_login(proxies[kind])
    if len(proxies.keys() & {"http", "https", "all"}) == 0:
        facts["proxies"] = "none"
    if "no" in proxies:
        facts["no proxy for"] = proxies["no"]
    problems = list(_problems(settings, proxies))
    try:
        servers = [f"{server} ({source})" for server, source in credentials.known(settings)]
        facts["credentials for"] = ", ".join(servers) or "no server"
    except HubError as error:
        problems.append(Problem("error", error.message, error.hint))
    return Section("network", facts, tuple(problems))


def _problems(settings: Settings, proxies: dict[str, str]) -> Iterator[Problem]:
    if settings.offline:
        yield Problem("warning", "rehub is offline: only models in the cache can be used.", "Unset REHUB_OFFLINE.")
    if not settings.verify_tls:
        yield Problem(
            "warning",
            "certificates are not checked: anyone on the way can replace a model, and a model is a program.",
            "Unset TFHUB_DISABLE_CERT_VALIDATION, and name your authority in REHUB_CA_BUNDLE instead.",
        )
    if settings.ca_bundle:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(settings.ca_bundle)
        except OSError as error:  # SSLError is one
            yield Problem(
                "error",
                f"the certificate authorities in {settings.ca_bundle!r} cannot be read: {error.strerror or error}.",
                "REHUB_CA_BUNDLE names a PEM file.",
            )
    for kind in ("http", "https", "all"):
        proxy = urlsplit(proxies.get(kind, ""))
        if proxy.scheme not in ("", "http", "https") and proxy.hostname:
            yield Problem(
                "error",
                f"the proxy {_without_login(proxies[kind])} is of a kind that rehub cannot use.",
                "Set HTTPS_PROXY and HTTP_PROXY to http://HOST:PORT.",
            )


def _without_login(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
