"""Answers to browsers: which page each URL has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rehub.errors import FormatError, StoreError
from rehub.server import names
from rehub.server.catalogue import Address, Model
from rehub.server.library import Library, Removed
from rehub.server.pages import Pages
from rehub.server.problems import tell_operator
from rehub.server.static_files import static_file_at
from rehub.server.views_trial import Tried

_FOREVER = "public, max-age=31536000, immutable"

MayRead = Callable[[Request, str], bool]
"""Whether whoever asks may know of a publisher."""


class PageRoutes:
    """The answers with pages, for Starlette.

    Args:
        library: The models.
        pages: Their pages.
        may_read: Of whom nothing is shown to whom; may wait for the store.
    """

    def __init__(self, library: Library, pages: Pages, may_read: MayRead) -> None:
        self._library = library
        self._pages = pages
        self._may_read = may_read

    async def home(self, request: Request) -> Response:
        """Answers with the list of models."""
        return await to_thread.run_sync(self._answer, request, lambda: (200, self._home(request)))

    async def named(self, request: Request, address: Address | None) -> Response:
        """Answers with the page of a model, a version, a publisher or a collection.

        Args:
            request: The request.
            address: What its path names; None for what nothing can have.
        """
        return await to_thread.run_sync(self._answer, request, lambda: self._named(request, address))

    async def tried(
        self, request: Request, address: Address, tried: Tried, status: int, headers: Mapping[str, str]
    ) -> Response:
        """Answers with the page of a model, and what came of trying it.

        Args:
            request: The request.
            address: What its path names.
            tried: What came of it.
            status: The HTTP status.
            headers: Further headers.
        """

        def write() -> tuple[int, str]:
            model = self._library.find(address.name)
            html = self._pages.model(model, address.version, str(request.base_url), tried) if model else None
            return (status, html) if html else self._named(request, address)

        response = await to_thread.run_sync(self._answer, request, write)
        response.headers.update(headers)
        return response

    async def static(self, request: Request) -> Response:
        """Answers with a file that pages load."""
        file = static_file_at(request.scope["path"])
        if file is None:
            return self._html(self._pages.not_found("There is no such file."), 404)
        headers = {"Cache-Control": _FOREVER, "X-Content-Type-Options": "nosniff"}
        return Response(file.data, media_type=file.media_type, headers=headers)

    def not_found(self, message: str, model: Model | None = None) -> Response:
        """Answers that there is no such thing.

        Args:
            message: What is missing.
            model: The model, when only the version is missing.
        """
        return self._html(self._pages.not_found(message, model), 404)

    def _answer(self, request: Request, write: Callable[[], tuple[int, str]]) -> Response:
        """The page that is written, or one for people that says why it cannot be."""
        try:
            status, html = write()
        except StoreError as error:
            tell_operator(request, error)
            html = self._pages.trouble("Out of reach", "The store of this hub does not answer. Try again in a moment.")
            return self._html(html, 503, {"Retry-After": "2"})
        except FormatError as error:
            tell_operator(request, error)
            html = self._pages.trouble(
                "Damaged", "What this hub has stored of it is damaged. Tell whoever runs the hub."
            )
            return self._html(html, 500)
        return self._html(html, status)

    def _home(self, request: Request) -> str:
        parameters = request.query_params.multi_items()
        return self._pages.home(parameters, str(request.base_url), lambda publisher: self._may_read(request, publisher))

    def _named(self, request: Request, address: Address | None) -> tuple[int, str]:
        if address is None:
            return 404, self._pages.not_found("No such model on this hub.")
        if not self._may_read(request, names.publisher_of(address.name)):
            address = Address(names.nowhere(address.name), address.version)
        model = self._library.find(address.name)
        if model is not None:
            return self._model(model, address.version, str(request.base_url))
        page = self._list(request, address.name) if address.version is None else None
        return (200, page) if page else (404, self._pages.not_found("No such model on this hub."))

    def _model(self, model: Model, version: int | None, base_url: str) -> tuple[int, str]:
        number = version if version is not None else max(model.versions or model.removed)
        if number in model.versions and (html := self._pages.model(model, version, base_url)):
            return 200, html
        removed = self._library.version(model.name, number)
        if isinstance(removed, Removed):
            return 410, self._pages.removed(removed, model)
        known = ", ".join(map(str, model.versions)) or "none"
        return 404, self._pages.not_found(f"No version {number} of {model.name}; there are: {known}.", model)

    def _list(self, request: Request, name: str) -> str | None:
        publisher, *rest = name.split("/")
        if not rest:
            return self._pages.publisher(publisher)
        if len(rest) == 2 and rest[0] == names.COLLECTION:
            return self._pages.collection(publisher, rest[1], lambda other: self._may_read(request, other))
        return None

    def _html(self, html: str, status_code: int, headers: Mapping[str, str] | None = None) -> Response:
        return HTMLResponse(html, status_code=status_code, headers={**self._pages.headers, **(headers or {})})
