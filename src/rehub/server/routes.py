"""What each URL of a model answers. Source: TensorFlow Hub hosting protocol."""

from __future__ import annotations

import dataclasses
from urllib.parse import quote

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from rehub.errors import FormatError, NotFoundError, UsageError
from rehub.server import names
from rehub.server.catalogue import Address, Model, parse_address
from rehub.server.delivery import Delivery
from rehub.server.library import Library, PlainVersion, PublishedVersion
from rehub.server.metrics import MEDIA_TYPE, Metrics
from rehub.server.options import HubOptions
from rehub.server.page_routes import PageRoutes
from rehub.server.problems import problem, tell_operator
from rehub.server.static_files import URL_PREFIX
from rehub.server.try_it import PARAMETER, TryIt
from rehub.server.visitor import Doorkeeper
from rehub.server.wanted import FORMAT, Wanted, is_for_js, lite_file, places_of, wanted_of, wants_manifest

_LOGIN = {"WWW-Authenticate": 'Basic realm="rehub: any user, the token as the password", charset="UTF-8"'}
_HINT = "Check the name. If the model is private, ask with a token for it."


@dataclasses.dataclass(frozen=True)
class _Found:
    """A version, and what is asked of it."""

    version: PublishedVersion | PlainVersion
    wanted: Wanted
    is_private: bool


class Routes:
    """The endpoints for models, and for whoever watches the hub.

    Args:
        library: The models.
        doorkeeper: Tells who may see them.
        pages: The answers for people.
        delivery: The answers with what programs load.
        metrics: The hub's.
        options: The hub's.
        try_it: The answers to those who try a model; None if nobody can.
    """

    def __init__(
        self,
        library: Library,
        doorkeeper: Doorkeeper,
        pages: PageRoutes,
        delivery: Delivery,
        metrics: Metrics,
        options: HubOptions,
        try_it: TryIt | None = None,
    ) -> None:
        self._library = library
        self._doorkeeper = doorkeeper
        self._pages = pages
        self._delivery = delivery
        self._metrics = metrics
        self._try_it = try_it
        self._is_private = options.is_private
        self._uncompressed_base = options.uncompressed_base.rstrip("/") if options.uncompressed_base else None

    def table(self) -> list[BaseRoute]:
        """Returns the routes for Starlette; the last one takes every path."""
        return [
            Route("/healthz", self.health, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route(f"{URL_PREFIX}{{name}}", self.static, methods=["GET"]),
            Route("/{path:path}", self.model, methods=["GET"]),
            Route("/{path:path}", self.try_model, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """Tells that the server is alive."""
        if request.scope["path"] != "/healthz":  # Starlette's pattern lets a line break at the end through
            return await self.model(request)
        request.state.kind = "operation"
        return PlainTextResponse("ok", headers={"Cache-Control": "no-store"})

    async def metrics(self, request: Request) -> Response:
        """Tells what was done so far."""
        if request.scope["path"] != "/metrics":  # as above
            return await self.model(request)
        request.state.kind = "operation"
        text = await to_thread.run_sync(self._metrics.text)
        return Response(text, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})

    async def static(self, request: Request) -> Response:
        """Answers with a file that pages load."""
        request.state.kind = "static"
        return await self._pages.static(request)

    async def model(self, request: Request) -> Response:
        """Answers for a model or a version: to programs that name a format, else with a page."""
        wanted = wanted_of(request.query_params)
        if wanted.kind == "unknown":
            return problem(request, 400, wanted.text)
        if wanted.kind == "page":
            return await self._page(request)
        request.state.kind = wanted.kind if wanted.kind in ("archive", "file", "uncompressed") else "file"
        found = await to_thread.run_sync(self._find, request, wanted)
        return found if isinstance(found, Response) else await self._deliver(request, found)

    async def try_model(self, request: Request) -> Response:
        """Answers a form by which somebody tries a model; nothing else is sent to a model's URL."""
        address = parse_address(request.scope["path"])
        if self._try_it is None or address is None or PARAMETER not in request.query_params:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        request.state.kind = "page"
        if not await to_thread.run_sync(self._may_read, request, address):
            return await self._page(request)
        return await self._try_it.answer(request, address)

    async def _page(self, request: Request) -> Response:
        request.state.kind = "page"
        if request.scope["path"] == "/":
            if self._is_private and request.state.visitor.token is None:
                return self._unknown(request)
            return await self._pages.home(request)
        address = parse_address(request.scope["path"])
        if address is not None and self._is_private and not await to_thread.run_sync(self._may_read, request, address):
            return self._unknown(request)
        return await self._pages.named(request, address)

    def _find(self, request: Request, wanted: Wanted) -> _Found | Response:
        for address, of_address in places_of(request.scope["path"], wanted):
            if not self._may_read(request, address):
                address = Address(names.nowhere(address.name), address.version)
            find = self._find_newest if address.version is None else self._find_version
            found = find(request, address, of_address)
            if found is not None:
                return found
        return self._unknown(request)

    def _find_newest(self, request: Request, address: Address, wanted: Wanted) -> _Found | Response | None:
        model = self._library.find(address.name)
        if model is None:
            return None
        # Clients of uncompressed models do not follow a redirect to the newest version.
        if model.versions and wanted.kind != "uncompressed":
            return _to_newest(request, model, wanted)
        number = model.newest if model.versions else max(model.removed)
        return self._find_version(request, Address(model.name, number), wanted)

    def _find_version(self, request: Request, address: Address, wanted: Wanted) -> _Found | Response | None:
        """Finds a version. The store is asked for the others only if it is not there: there may be many."""
        name, number = address.name, address.version
        assert number is not None
        try:
            version = self._library.version(name, number)
        except FormatError as error:
            tell_operator(request, error)
            return problem(request, 500, f"The record of version {number} of {name} is damaged.")
        if isinstance(version, (PublishedVersion, PlainVersion)):
            is_private = bool(self._library.publisher(names.publisher_of(name)).is_private)
            return _Found(version, wanted, is_private)
        model = self._library.find(name)
        listed = [str(known) for known in model.versions] if model else []
        if version is not None:
            message = f"Version {number} of {name} was removed: {version.reason}"
            return problem(request, 410, message, versions=listed, removed=version.removed.isoformat())
        if model is None:
            return None
        message = f"No version {number} of {name}; there are: {', '.join(listed)}."
        return problem(request, 404, message, versions=listed)

    async def _deliver(self, request: Request, found: _Found) -> Response:
        version, kind = found.version, found.wanted.kind
        what = f"Version {version.number} of {version.name}"
        try:
            if kind == "uncompressed":
                return self._uncompressed(request, version)
            if kind == "archive":
                if wants_manifest(request.headers.get("accept", "")):
                    request.state.kind = "manifest"
                    return await self._delivery.manifest(request, version, is_private=found.is_private)
                return await self._delivery.archive(request, version, is_private=found.is_private)
            files = await self._delivery.files(version)
            if kind in ("tfjs", "tfjs-file") and not is_for_js(files):
                return problem(request, 404, f"{what} is no model for TensorFlow.js.", "It has no model.json.")
            if kind == "tfjs":
                return await self._delivery.archive(request, version, is_private=found.is_private)
            name = lite_file(files) if kind == "tflite" else found.wanted.text
            if name is None:
                return problem(request, 404, f"{what} has no model.tflite.", "Ask for one of its files by name.")
            if name not in files:
                return problem(request, 404, f"{what} has no file of that name.", versions=[])
            return await self._delivery.file(request, version, files[name], is_private=found.is_private)
        except (FileNotFoundError, NotFoundError):  # deleted since it was looked up
            self._library.forget(version.name, version.number)
            address = Address(version.name, version.number)
            again = await to_thread.run_sync(self._find_version, request, address, found.wanted)
            gone = problem(request, 404, f"{what} has just been removed.", versions=[])
            return again if isinstance(again, Response) else gone
        except UsageError:
            message = f"{what} is being written. Try again in a moment."
            return problem(request, 503, message, headers={"Retry-After": "2"})
        except FormatError as error:
            return problem(request, 500, f"{what} cannot be served: {error.message}")

    def _uncompressed(self, request: Request, version: PublishedVersion | PlainVersion) -> Response:
        if self._uncompressed_base is None:
            return problem(
                request,
                406,
                "This hub has no uncompressed copy of its models (it was started without --uncompressed-base). "
                f"Ask with {FORMAT}=compressed.",
            )
        inside = (
            f"{version.prefix}files" if isinstance(version, PublishedVersion) else f"{version.name}/{version.number}"
        )
        location = f"{self._uncompressed_base}/{inside}"
        headers = {"Location": quote(location, safe="/:@"), "Cache-Control": "no-cache"}
        return PlainTextResponse(location, status_code=303, headers=headers)

    def _may_read(self, request: Request, address: Address) -> bool:
        return self._doorkeeper.may_read(request.state.visitor, names.publisher_of(address.name))

    def _unknown(self, request: Request) -> Response:
        """Answers where there is nothing, or nothing for whoever asks: both are alike, so that nobody learns which."""
        if self._is_private and request.state.visitor.token is None:
            return problem(request, 401, "This hub is private.", "Ask with a token.", headers=_LOGIN, versions=[])
        return problem(request, 404, "No such model on this hub.", _HINT, versions=[])


def _to_newest(request: Request, model: Model, wanted: Wanted) -> Response:
    # Relative, so that it holds behind a proxy that changed scheme or host.
    query: bytes = request.scope["query_string"]
    file = f"/{quote(wanted.text)}" if wanted.kind == "tfjs-file" else ""
    location = f"/{quote(model.name)}/{model.newest}{file}?{query.decode('latin-1')}"
    return Response(status_code=302, headers={"Location": location, "Cache-Control": "no-cache"})
