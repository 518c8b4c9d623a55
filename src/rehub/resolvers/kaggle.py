"""Models on Kaggle through kagglehub, which finds every kind of account there is at Kaggle.

Its functions that download would write into a cache of their own and print what they do, so its account and the API
below it are used: an archive comes as it does from any server.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import rehub
from rehub.cache.interface import ModelStore
from rehub.configuration import Settings
from rehub.errors import AccessError, HandleError, HubError, NotFoundError, OfflineError, SettingError, TransferError
from rehub.formats.record import Latest
from rehub.handle import Handle, parse
from rehub.resolvers import kaggle_account
from rehub.resolvers.credentials import own_token
from rehub.resolvers.download import fetch, restarting
from rehub.resolvers.source import Offer
from rehub.transport.interface import ContentLost, content_length

_CHUNK_BYTES = 1 << 20
_TOKEN = "get a token at https://www.kaggle.com/settings/api, and set KAGGLE_API_TOKEN to it"  # noqa: S105 - an address


def has(handle: Handle) -> bool:
    """Whether kagglehub can get the model of a handle, which names a variation, and is installed and new enough."""
    parts = _parts(handle)
    return (
        len(parts) == 5 + (handle.version is not None)
        and parts[0] == "models"
        and importlib.util.find_spec("kagglehub") is not None
        and importlib.util.find_spec("kagglesdk") is not None
    )


class KaggleSource:
    """Gets models from Kaggle. See `rehub.resolvers.source.ModelSource`.

    Args:
        settings: Whether and how progress is shown, and which tokens rehub itself has.
        store: The cache.
    """

    def __init__(self, settings: Settings, store: ModelStore) -> None:
        self._settings = settings
        self._store = store

    def offer(self, handle: Handle, *, may_change: bool) -> Offer:
        """Asks for the size of the archive."""
        fixed = self._newest(handle) if may_change else handle
        with self._archive(fixed) as answer:
            return Offer(fixed, fixed.location, content_length(answer.headers))

    def newest(self, handle: Handle, folder: PurePosixPath, latest: Latest | None) -> Handle:
        """Asks for the newest version of a variation."""
        return self._newest(handle)

    def download(self, handle: Handle, leaf: PurePosixPath, asked: Handle) -> str:
        """Fetches the archive of a version."""
        return restarting(functools.partial(self._download, handle, leaf), self._settings.retries)

    def _download(self, handle: Handle, leaf: PurePosixPath) -> str:
        with self._archive(handle) as answer, self._store.staging(leaf) as staging:
            record = fetch(answer, handle, handle.location, staging, self._settings)
            return self._store.install(staging, leaf, record)

    def _newest(self, handle: Handle) -> Handle:
        from kagglesdk.models.types.model_api_service import ApiGetModelInstanceRequest

        with self._client(handle) as client:
            instance = client.models.model_api_client.get_model_instance(_filled(ApiGetModelInstanceRequest(), handle))
            if not instance.version_number:
                raise NotFoundError(
                    f"{handle.location} has no version.",
                    hint="Open it in a browser to see what there is.",
                    handle=handle.text,
                    url=handle.location,
                )
            return dataclasses.replace(parse(f"{handle.location}/{instance.version_number}"), pin=handle.pin)

    @contextlib.contextmanager
    def _archive(self, handle: Handle) -> Iterator[_Archive]:
        from kagglesdk.models.types.model_api_service import ApiDownloadModelInstanceVersionRequest

        request = _filled(ApiDownloadModelInstanceVersionRequest(), handle)
        request.version_number = handle.version
        with self._client(handle) as client:
            response = client.models.model_api_client.download_model_instance_version(request)
            with contextlib.closing(response):
                yield _Archive(response)

    @contextlib.contextmanager
    def _client(self, handle: Handle) -> Iterator[Any]:
        """Gives the client of Kaggle's API, with this user's account."""
        import requests
        from kagglehub.config import get_kaggle_credentials
        from kagglesdk.kaggle_client import KaggleClient

        token = own_token(kaggle_account.ORIGIN, self._settings)
        try:
            account = None if token else get_kaggle_credentials()
        except (ValueError, OSError) as error:
            raise SettingError(
                f"kagglehub cannot read this user's account at Kaggle ({type(error).__name__}).",
                hint=f"Mend or remove ~/.kaggle/kaggle.json, or {_TOKEN}.",
            ) from None  # the other error may hold the file
        options = {"api_token": token[0]} if token else {}
        if account is not None:
            options = {"username": account.username, "password": account.key, "api_token": account.api_key}
        source = token[1] if token else "the account that kagglehub found" if account is not None else ""
        try:
            with KaggleClient(user_agent=f"rehub/{rehub.__version__}", **options) as client:
                yield client
        except HubError:
            raise
        except requests.HTTPError as error:
            raise _refused(handle, error.response, source) from error
        except requests.RequestException as error:
            is_unreachable = isinstance(error, requests.ConnectionError) and not isinstance(error, requests.Timeout)
            raise (OfflineError if is_unreachable else TransferError)(
                f"{handle.location} cannot be fetched: Kaggle does not answer ({type(error).__name__}).",
                hint="Check the network and HTTPS_PROXY, and try again.",
                url=handle.location,
            ) from error


class _Archive:
    """An answer of Kaggle's API. See `rehub.transport.interface.Response`."""

    redirect = None
    credential = None

    def __init__(self, response: Any) -> None:
        self._response = response
        self.status: int = response.status_code
        self.url: str = response.url
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    def chunks(self) -> Iterator[bytes]:
        """Gives the body."""
        from urllib3.exceptions import HTTPError

        count_bytes = 0
        try:
            for chunk in self._response.raw.stream(_CHUNK_BYTES, decode_content=False):
                count_bytes += len(chunk)
                yield chunk
        except (HTTPError, OSError) as error:  # one of them if the body is shorter than the headers say
            url, kind = self.url.partition("?")[0], type(error).__name__
            message = f"the body of {url} broke after {count_bytes} bytes ({kind})."
            raise ContentLost(message, hint="Try again.", url=url) from error


def _parts(handle: Handle) -> list[str]:
    return urlsplit(handle.location).path.strip("/").split("/")


def _filled(request: Any, handle: Handle) -> Any:
    from kagglehub.handle import ModelHandle

    owner, model, framework, variation = _parts(handle)[1:5]
    try:
        number = ModelHandle(owner, model, framework, variation, None).framework_enum()
    except ValueError as error:
        raise HandleError(
            f"{handle.location}: Kaggle has no framework {framework!r}.",
            hint="That of SavedModels is called tensorFlow2, and that of TF1 modules tensorFlow1.",
            handle=handle.text,
        ) from error
    request.owner_slug, request.model_slug, request.framework, request.instance_slug = owner, model, number, variation
    return request


def _refused(handle: Handle, response: Any, source: str) -> HubError:
    """Makes the error for an answer that brings no model; what Kaggle says in it is not for people."""
    status = response.status_code
    where = handle.unversioned
    facts: dict[str, Any] = {"handle": handle.text, "url": where, "status": status}
    if status in (401, 403):
        sent = f"with {source}" if source else "without credentials"
        then = "If the terms are accepted, get a new token" if source else _TOKEN[0].upper() + _TOKEN[1:]
        return AccessError(
            f"{handle.location} may not be read {sent} (status {status} of Kaggle).",
            hint=f"Open {where} in a browser, log in and accept the terms of the model. {then}.",
            credentials=source,
            **facts,
        )
    if status == 404:
        return NotFoundError(
            f"{handle.location} does not exist (status 404 of Kaggle).",
            hint=f"Open {where} in a browser to see which variations and versions there are.",
            **facts,
        )
    return TransferError(
        f"{handle.location} cannot be fetched: Kaggle answers with status {status}.",
        hint="Try again later.",
        url=handle.location,
        status=status,
    )
