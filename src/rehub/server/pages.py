"""The hub's pages for people, as HTML.

Everything here waits for the store, and for files to be read: asynchronous code calls it in a thread.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterable
from typing import Any

import jinja2
from markupsafe import Markup

from rehub.errors import FormatError, StoreError
from rehub.server.catalogue import Model
from rehub.server.changes import Changes, changes
from rehub.server.description import Description, Descriptions
from rehub.server.library import Library, PublishedVersion, Removed
from rehub.server.markdown import highlight, render
from rehub.server.recent import Recent
from rehub.server.search import Index, MayRead
from rehub.server.static_files import static_files
from rehub.server.trial import Trial, trial_of
from rehub.server.views import (
    Link,
    ListPage,
    MessagePage,
    crumbs_of,
    home_page,
    model_cards,
    not_found_page,
    path_of,
    query_of,
    removed_page,
)
from rehub.server.views_model import model_page
from rehub.server.views_trial import Tried, trial_view
from rehub.words import count

_DATED = 20
"""The newest versions whose dates are looked up for a page."""
_DATES_S = 3600.0

_BREAKS = re.compile(r"(?<=[/_.])")

Parameters = Iterable[tuple[str, str]]
"""Names and values of a URL's query, decoded, in order."""


class Pages:
    """Writes the pages of one library.

    Args:
        library: The models.
        remote_images: Whether cards show images of other servers, who learn then who reads them.
        has_trials: Whether models can be tried.
    """

    def __init__(self, library: Library, *, remote_images: bool = False, has_trials: bool = False) -> None:
        self._library = library
        self._remote_images = remote_images
        self._has_trials = has_trials
        self._descriptions = Descriptions(library)
        self._created: Recent[tuple[str, int], datetime.datetime | None] = Recent(_DATES_S)
        self.index = Index(library, self._descriptions)

    @property
    def headers(self) -> dict[str, str]:
        """Those of every page."""
        images = "'self' data: https: http:" if self._remote_images else "'self' data:"
        policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }

    def home(self, parameters: Parameters, base_url: str, may_read: MayRead) -> str:
        """Returns the list of models, searched and filtered as the URL says.

        Args:
            parameters: As `query_of` reads them.
            base_url: The hub's own URL, ending in a slash.
            may_read: Whether a publisher's models are shown.

        Raises:
            StoreError: If the store does not answer.
        """
        query = query_of(parameters)
        return _written("home.html", home_page(query, self.index.search(query, may_read), base_url))

    def publisher(self, name: str) -> str | None:
        """Returns the page of a publisher; None for one who has neither models nor settings.

        Raises:
            StoreError: If the store does not answer.
        """
        entries = self.index.of_publisher(name)
        info = self._library.publisher(name)
        collections = self._library.collections(name)
        if not (entries or collections or info.title or info.description):
            return None
        links = tuple(
            Link(f"{path_of(name)}/collection/{path_of(found.name)[1:]}", found.title or found.name, "")
            for found in collections
        )
        page = ListPage(
            info.title or name,
            crumbs_of(name),
            name,
            "Publisher",
            is_private=bool(info.is_private),
            description=self._prose(info.description),
            summary=count(len(entries), "model"),
            cards=model_cards(entries),
            collections=links,
        )
        return _written("list.html", page)

    def collection(self, publisher: str, name: str, may_read: MayRead) -> str | None:
        """Returns the page of a collection; None when there is none.

        Args:
            publisher: Whose it is.
            name: Its name.
            may_read: Whether a publisher's models are shown.

        Raises:
            StoreError: If the store does not answer.
        """
        found = self._library.collection(publisher, name)
        if found is None:
            return None
        entries = [entry for entry in self.index.entries(found.models) if may_read(entry.publisher)]
        page = ListPage(
            found.title or name,
            crumbs_of(f"{publisher}/{name}"),
            f"{publisher}/collection/{name}",
            "Collection",
            is_private=bool(self._library.publisher(publisher).is_private),
            description=self._prose(found.description),
            summary=count(len(entries), "model"),
            cards=model_cards(entries),
        )
        return _written("list.html", page)

    def trial(self, name: str, number: int) -> Trial | None:
        """Returns how a version is tried; None if it is not.

        Raises:
            FormatError: If its record is damaged.
            StoreError: If the store does not answer.
        """
        described = self._descriptions.get(name, number) if self._has_trials else None
        return trial_of(described) if isinstance(described, Description) else None

    def model(self, model: Model, version: int | None, base_url: str, tried: Tried | None = None) -> str | None:
        """Returns the page of a model, or of one version of it; None when that has just been removed.

        Args:
            model: The model.
            version: The version that the URL names, which is one of the model's; None for the newest.
            base_url: The hub's own URL, ending in a slash.
            tried: What somebody has tried with it.

        Raises:
            StoreError: If the store does not answer.
        """
        described = self._descriptions.get(model.name, model.newest if version is None else version)
        if not isinstance(described, Description):
            return None
        trial = trial_of(described) if self._has_trials else None
        page = model_page(
            model,
            described,
            named=version,
            base_url=base_url,
            changes=self._changes(model, described),
            dates=self._dates(model),
            remote_images=self._remote_images,
            trial=trial_view(trial, path_of(model.name, described.number), tried) if trial else None,
        )
        return _written("model.html", page)

    def not_found(self, message: str, model: Model | None = None) -> str:
        """Returns the page for what does not exist.

        Args:
            message: What is missing.
            model: The model, when only the version is missing.
        """
        return _written("message.html", not_found_page(message, model))

    def trouble(self, title: str, message: str) -> str:
        """Returns the page for what the hub cannot show now.

        Args:
            title: What it is, in a word or two.
            message: What happened, and what to do.
        """
        return _written("message.html", MessagePage(title, (), message))

    def removed(self, removed: Removed, model: Model | None) -> str:
        """Returns the page of a version that an operator has deleted.

        Args:
            removed: The version.
            model: Its model.
        """
        page = removed_page(removed.name, removed.number, removed.reason, removed.removed, model)
        return _written("message.html", page)

    def _prose(self, text: str) -> Markup:
        return render(text, top_level=2, remote_images=self._remote_images) if text else Markup("")

    def _changes(self, model: Model, described: Description) -> Changes | None:
        """What a version changed; None for the first one, and where the one before cannot be read now."""
        before = [number for number in model.versions if number < described.number]
        try:
            old = self._descriptions.get(model.name, before[-1]) if before else None
        except (FormatError, StoreError):  # the page is good without
            return None
        return changes(old, described) if isinstance(old, Description) else None

    def _dates(self, model: Model) -> dict[int, datetime.datetime]:
        """When the newest versions were published; what was true of one stays true."""
        found = {}
        for number in model.versions[-_DATED:]:
            key = (model.name, number)
            created = self._created.get(key, functools.partial(self._date, *key), lambda date: date is not None)
            if created is not None:
                found[number] = created
        return found

    def _date(self, name: str, number: int) -> datetime.datetime | None:
        try:
            version = self._library.version(name, number)
        except (FormatError, StoreError):  # the page is good without
            return None
        publication = version.record.publication if isinstance(version, PublishedVersion) else None
        return publication.created if publication else None


def _written(template: str, page: object) -> str:
    return _environment().get_template(template).render(page=page)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rehub.server"),
        autoescape=True,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["highlighted"] = highlight
    environment.globals["static"] = _static_url
    return environment


def _breakable(text: Any) -> Markup:
    """The text with places to break the line at, where words are long and made of parts."""
    return Markup("<wbr>").join(_BREAKS.split(str(text)))


def _static_url(name: str) -> str:
    return static_files()[name].url
