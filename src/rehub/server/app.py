"""The hub as an ASGI application."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rehub.errors import HubError
from rehub.server.api import Api
from rehub.server.archives import ArchiveStore
from rehub.server.delivery import Delivery
from rehub.server.library import Library
from rehub.server.metrics import Metrics
from rehub.server.options import HubOptions
from rehub.server.page_routes import PageRoutes
from rehub.server.pages import Pages
from rehub.server.problems import problem, problem_of, problem_of_http
from rehub.server.routes import Routes
from rehub.server.tokens import Tokens
from rehub.server.trials import Trials, check_tensorflow
from rehub.server.try_it import TryIt
from rehub.server.uploads import Uploads
from rehub.server.visitor import Doorkeeper
from rehub.server.watch import Watch
from rehub.storage.interface import ObjectStore

_DEFAULTS = HubOptions()


class HubApp:
    """The application over one store. `rehub.server.bridge.Bridge` serves it; it may be served again and again.

    Args:
        store: What the hub keeps.
        options: How it behaves.
        spool: An existing folder for what processes share, and for archives; None for a folder of temporary files.

    Raises:
        DependencyError: If models are to be tried, and TensorFlow is not installed.
    """

    def __init__(self, store: ObjectStore, options: HubOptions, spool: Path | None) -> None:
        self._options = options
        self._spool = spool
        self._library = Library(store, is_private=options.is_private)
        if options.trials is not None:
            check_tensorflow()
        has_trials = options.trials is not None
        self._pages = Pages(self._library, remote_images=options.remote_images, has_trials=has_trials)
        self._uploads = Uploads(self._library, limit_bytes=options.upload_limit_bytes)
        self._doorkeeper = Doorkeeper(self._library, Tokens(store))
        self._archives: ArchiveStore | None = None
        self._trials: Trials | None = None
        self._answer: ASGIApp | None = None

    def open(self) -> None:
        """Gets ready for requests."""
        library, doorkeeper, options = self._library, self._doorkeeper, self._options
        metrics = Metrics(self._spool)
        self._archives = ArchiveStore(self._spool)
        delivery = Delivery(library.store, self._archives, redirects=options.redirects)
        pages = PageRoutes(library, self._pages, lambda request, name: doorkeeper.may_read(request.state.visitor, name))
        api = Api(library, self._uploads, doorkeeper, self._pages.index, metrics)
        try_it = None
        if options.trials is not None:
            self._trials = Trials(library.store, options.trials, self._spool)
            is_limited = options.requests_per_s is not None
            try_it = TryIt(library, self._pages, pages, self._trials, is_limited=is_limited)
        routes = Routes(library, doorkeeper, pages, delivery, metrics, options, try_it)
        handlers = {HubError: _of_hub, HTTPException: _of_http, Exception: _of_bug}
        inner = Starlette(routes=[*api.table(), *routes.table()], exception_handlers=handlers)
        self._answer = Watch(inner, doorkeeper, metrics, options)

    def close(self) -> None:
        """Deletes what was made to answer requests; it may be called more than once."""
        if self._archives is not None:
            self._archives.close()
            self._archives = None
        if self._trials is not None:
            self._trials.close()
            self._trials = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        assert self._answer is not None, "it is opened first"
        await self._answer(scope, receive, send)


def build_app(store: ObjectStore, options: HubOptions = _DEFAULTS, *, spool: Path | None = None) -> HubApp:
    """Builds the application that serves a store. Arguments as of `HubApp`."""
    return HubApp(store, options, spool)


async def _of_hub(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)
    return problem_of(request, error)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_of_http(request, error)


async def _of_bug(request: Request, _: Exception) -> Response:
    return problem(request, 500, "The hub failed.", "Tell whoever runs it the id of the request.")
