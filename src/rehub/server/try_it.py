"""Trying a model on its page: what a form brings, and the page that answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from urllib.parse import urlsplit

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from rehub.errors import FormatError, StoreError
from rehub.server.bodies import BodyError, read_body
from rehub.server.catalogue import Address
from rehub.server.forms import read_form
from rehub.server.library import Library, PlainVersion, PublishedVersion
from rehub.server.page_routes import PageRoutes
from rehub.server.pages import Pages
from rehub.server.rate import RateLimit
from rehub.server.trial import Trial
from rehub.server.trial_outcome import Failure
from rehub.server.trials import Trials
from rehub.server.views_trial import LETTERS_LIMIT, PICTURE_LIMIT_BYTES, TEXTS_LIMIT, Tried

PARAMETER = "try-it"
"""In the query of the URL that forms are sent to."""

_FORM_BYTES = 64 << 10  # of what is not the picture
_BODY_S = 60.0
_WAIT_S = 60.0
_WAITING_LIMIT = 4
_PER_S = 0.5
_RETRY_S = 10


@dataclasses.dataclass(frozen=True)
class _Reply:
    """What is answered; ``retry_s`` tells when to ask again, 0 for nothing."""

    status: int
    tried: Tried
    retry_s: int = 0


class TryIt:
    """The endpoint that forms are sent to.

    Args:
        library: The models.
        pages: Their pages.
        routes: The answers with pages.
        trials: Runs models.
        is_limited: Whether somebody may try only so often.
    """

    def __init__(self, library: Library, pages: Pages, routes: PageRoutes, trials: Trials, *, is_limited: bool) -> None:
        self._library = library
        self._pages = pages
        self._routes = routes
        self._trials = trials
        self._turn = anyio.Semaphore(1)
        self._bodies = anyio.Semaphore(_WAITING_LIMIT)
        self._limit = RateLimit(_PER_S) if is_limited else None

    async def answer(self, request: Request, address: Address) -> Response:
        """Tries a model, and answers with its page.

        Args:
            request: The form.
            address: What its path names. Whoever asks may read it.
        """
        found = await to_thread.run_sync(self._find, address)
        if found is None:
            return await self._routes.named(request, address)
        reply = await self._reply(request, *found)
        headers = {"Retry-After": str(reply.retry_s)} if reply.retry_s else {}
        return await self._routes.tried(request, address, reply.tried, reply.status, headers)

    def _find(self, address: Address) -> tuple[PublishedVersion | PlainVersion, Trial] | None:
        """Returns the version and how it is tried; None where its page says all that there is to say."""
        try:
            model = self._library.find(address.name)
            if model is None or not model.versions:
                return None
            number = model.newest if address.version is None else address.version
            version = self._library.version(model.name, number)
            trial = self._pages.trial(model.name, number)
        except (FormatError, StoreError):
            return None
        if trial is None or trial.refusal or not isinstance(version, (PublishedVersion, PlainVersion)):
            return None
        return version, trial

    async def _reply(self, request: Request, version: PublishedVersion | PlainVersion, trial: Trial) -> _Reply:
        if not is_from_here(request.headers):
            return _refused(403, "That form was not on this page. Send it from here.")
        wait_s = self._limit.wait_s(request.state.visitor.key) if self._limit is not None else 0.0
        if wait_s > 0:
            return _refused(429, "You have tried a lot. Send it again in a moment.", int(wait_s) + 1)
        try:
            with anyio.fail_after(_BODY_S):
                async with self._bodies:
                    body = await read_body(request, PICTURE_LIMIT_BYTES + _FORM_BYTES)
            form = read_form(request.headers.get("content-type", ""), body)
        except TimeoutError:
            return _refused(408, "That took too long to arrive. Send it again.")
        except BodyError as error:
            if error.status == 413:
                return _refused(413, f"A picture may have {PICTURE_LIMIT_BYTES // 1_000_000} MB at most.")
            return _refused(error.status, f"{error.message} {error.hint}")
        if trial.takes_texts:
            return await self._try_texts(version, trial, form.get("texts", b"").decode("utf-8", "replace"))
        picture = form.get("picture", b"")
        if not picture:
            return _refused(422, "Choose a picture first.")
        return await self._run(version, trial, (), picture, "")

    async def _try_texts(self, version: PublishedVersion | PlainVersion, trial: Trial, text: str) -> _Reply:
        texts = [line.strip() for line in text.splitlines() if line.strip()]
        problem = ""
        if not 2 <= len(texts) <= TEXTS_LIMIT:
            problem = f"Write 2 to {TEXTS_LIMIT} sentences, each on its own line; these are {len(texts)}."
        elif max(map(len, texts)) > LETTERS_LIMIT:
            problem = f"A sentence may have {LETTERS_LIMIT} letters at most."
        if problem:
            return _Reply(422, Tried(Failure(problem), text[: LETTERS_LIMIT * TEXTS_LIMIT]))
        return await self._run(version, trial, tuple(texts), b"", text)

    async def _run(
        self,
        version: PublishedVersion | PlainVersion,
        trial: Trial,
        texts: tuple[str, ...],
        picture: bytes,
        text: str,
    ) -> _Reply:
        wait = Failure("This hub is trying other models. Send it again in a moment.")
        busy = _Reply(503, Tried(wait, text), _RETRY_S)
        if self._turn.statistics().tasks_waiting >= _WAITING_LIMIT:
            return busy
        try:
            with anyio.fail_after(_WAIT_S):
                await self._turn.acquire()
        except TimeoutError:
            return busy
        try:
            outcome = await to_thread.run_sync(self._trials.run, version, trial, texts, picture)
        except StoreError:
            return _Reply(503, Tried(Failure("The store of this hub does not answer. Try again."), text), _RETRY_S)
        finally:
            self._turn.release()
        return _Reply(422 if isinstance(outcome, Failure) else 200, Tried(outcome, text, texts))


def is_from_here(headers: Mapping[str, str]) -> bool:
    """Whether a form was sent by a page of this hub, as browsers tell it; any other page could send one, too."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host") != ""


def _refused(status: int, reason: str, retry_s: int = 0) -> _Reply:
    return _Reply(status, Tried(Failure(reason)), retry_s)
