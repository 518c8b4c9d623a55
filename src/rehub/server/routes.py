"""What each URL of the hub answers. Source: TensorFlow Hub hosting protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from rehub.errors import FormatError, UsageError
from rehub.formats.manifest import MEDIA_TYPE
from rehub.server import pages
from rehub.server.archives import Archive
from rehub.server.catalogue import Catalogue, Model, parse_address
from rehub.server.manifests import Published
from rehub.server.parts import file_answer

_FORMAT = "tf-hub-format"
_FILE = "rehub-file"
_FORMATS = ("compressed", "uncompressed")
_FOREVER = "public, max-age=31536000, immutable"
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class _Store(Protocol[_T_co]):
    async def get(self, folder: Path) -> _T_co: ...


class Routes:
    """The endpoints over one catalogue.

    Args:
        catalogue: The models.
        uncompressed_base: The remote folder that holds the same tree unpacked, or None.
    """

    def __init__(self, catalogue: Catalogue, uncompressed_base: str | None) -> None:
        self._catalogue = catalogue
        self._uncompressed_base = uncompressed_base.rstrip("/") if uncompressed_base else None

    def table(self) -> list[BaseRoute]:
        """Returns the routes for Starlette."""
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/healthz", self.health, methods=["GET"]),
            Route("/{path:path}", self.model, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """Lists all models."""
        if request.scope["path"] != "/":  # Starlette's pattern lets a line break at the end through
            return await self.model(request)
        models = await to_thread.run_sync(self._catalogue.models)
        return _page(pages.index(models, str(request.base_url)))

    async def health(self, request: Request) -> Response:
        """Tells that the server is alive."""
        if request.scope["path"] != "/healthz":  # as above
            return await self.model(request)
        return PlainTextResponse("ok", headers={"Cache-Control": "no-store"})

    async def model(self, request: Request) -> Response:
        """Answers for a model or a version: to programs that name a format, else with a page."""
        wanted = _wanted_formats(request)
        file = request.query_params.get(_FILE)
        if wanted and file is None and not any(name in _FORMATS for name in wanted):
            return _error(
                400,
                f"{_FORMAT}={','.join(wanted)} is unknown. This hub has {' and '.join(_FORMATS)}.",
            )
        address = parse_address(request.scope["path"]) if _is_plain(request) else None
        model = await to_thread.run_sync(self._catalogue.find, address.name) if address else None
        if address is None or model is None:
            return _not_found(request, "No such model on this hub.", None)
        if address.version is not None and address.version not in model.versions:
            known = ", ".join(map(str, model.versions))
            return _not_found(request, f"No version {address.version} of {model.name}; there are: {known}.", model)
        if file is not None and address.version is not None:
            return await self._file(request, model.name, address.version, file)
        if not wanted and file is None:
            return _page(pages.model(model, address.version, str(request.base_url)))
        if "compressed" not in wanted and file is None:
            # Also for unversioned URLs: clients of this format do not follow a redirect to the newest version.
            return self._uncompressed(model.name, address.version if address.version is not None else model.newest)
        if address.version is None:
            return _to_newest(request, model)
        store = request.state.manifests if _wants_manifest(request) else request.state.archives
        return await self._built(request, model.name, address.version, store, _compressed)

    async def _file(self, request: Request, name: str, version: int, file: str) -> Response:
        def answer(request: Request, folder: Path, manifest: Published) -> Response:
            if file not in manifest.files:
                return _not_found(request, f"Version {version} of {name} has no file of that name.", None)
            headers = _validators(manifest.files[file].sha256)
            if _is_known(request, headers):
                return Response(status_code=304, headers=headers)
            return file_answer(request, folder / file, manifest.files[file].size_bytes, headers)

        return await self._built(request, name, version, request.state.manifests, answer)

    async def _built(
        self,
        request: Request,
        name: str,
        version: int,
        store: _Store[_T],
        answer: Callable[[Request, Path, _T], Response],
    ) -> Response:
        """Answers with what is built of a version's folder."""
        folder = await to_thread.run_sync(self._catalogue.folder, name, version)
        try:
            if folder is None:
                raise FileNotFoundError(name)
            return answer(request, folder, await store.get(folder))
        except FileNotFoundError:  # deleted since it was looked up
            return _not_found(request, f"Version {version} of {name} has just been removed.", None)
        except UsageError:
            message = f"Version {version} of {name} is being written. Try again in a moment."
            return _error(503, message, headers={"Retry-After": "2"})
        except FormatError as error:
            return _error(500, f"Version {version} of {name} cannot be served: {error.message}")

    def _uncompressed(self, name: str, version: int) -> Response:
        if self._uncompressed_base is None:
            return _error(
                406,
                "This hub has no uncompressed copy of its models (it was started without --uncompressed-base). "
                f"Ask with {_FORMAT}=compressed.",
            )
        location = f"{self._uncompressed_base}/{name}/{version}"
        headers = {"Location": quote(location, safe="/:@"), "Cache-Control": "no-cache"}
        return PlainTextResponse(location, status_code=303, headers=headers)


def _compressed(request: Request, _: Path, built: Archive | Published) -> Response:
    """Answers with a manifest or an archive: which one depends on what the client accepts."""
    headers = {**_validators(built.sha256), "Vary": "Accept"}
    if _is_known(request, headers):
        return Response(status_code=304, headers=headers)
    if isinstance(built, Archive):
        return FileResponse(built.path, media_type="application/x-tar-gz", headers=headers)
    return Response(built.data, media_type=MEDIA_TYPE, headers=headers)


def _wants_manifest(request: Request) -> bool:
    """Whether the client names manifests among what it accepts; ``*/*`` alone means an archive, as it always did."""
    for accepted in request.headers.get("accept", "").lower().split(","):
        kind, *parameters = (part.replace(" ", "") for part in accepted.split(";"))
        if kind == MEDIA_TYPE:
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return False


def _validators(sha256: str) -> dict[str, str]:
    return {"ETag": f'"{sha256}"', "Cache-Control": _FOREVER}


def _is_known(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether the client has this content already."""
    return _matches(request.headers.get("if-none-match", ""), headers["ETag"])


def _wanted_formats(request: Request) -> list[str]:
    """Returns what the client accepts; early clients list several formats, separated by commas."""
    values = request.query_params.getlist(_FORMAT)
    return [name.strip() for value in values for name in value.split(",")]


def _is_plain(request: Request) -> bool:
    """Whether the path has no encoded slash, which decoding would turn into a real one."""
    raw: bytes = request.scope.get("raw_path", b"")
    return b"%2f" not in raw.lower()


def _to_newest(request: Request, model: Model) -> Response:
    # Relative, so that it holds behind a proxy that changed scheme or host.
    query: bytes = request.scope["query_string"]
    location = f"/{quote(model.name)}/{model.newest}?{query.decode('latin-1')}"
    return Response(status_code=302, headers={"Location": location, "Cache-Control": "no-cache"})


def _matches(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]


def _page(html: str, status_code: int = 200) -> Response:
    return HTMLResponse(html, status_code=status_code, headers=_PAGE_HEADERS)


def _not_found(request: Request, message: str, model: Model | None) -> Response:
    if _FORMAT in request.query_params or _FILE in request.query_params:
        return _error(404, message, versions=[str(version) for version in model.versions] if model else [])
    return _page(pages.not_found(message, model), 404)


def _error(
    status_code: int, message: str, *, versions: list[str] | None = None, headers: dict[str, str] | None = None
) -> Response:
    body: dict[str, object] = {"error": message}
    if versions is not None:
        body["versions"] = versions
    return JSONResponse(body, status_code=status_code, headers={"Cache-Control": "no-cache", **(headers or {})})
