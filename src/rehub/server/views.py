"""What the pages show, ready to be written: home, publisher, collection, and what is not there."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, urlencode

from markupsafe import Markup

from rehub.server.catalogue import Model
from rehub.server.search import FACETS, Entry, Query, Results
from rehub.server.views_interface import FORMATS
from rehub.server.views_snippets import Snippet, load_snippet
from rehub.words import count, day, size

_TITLES = {"fine-tunable": "Fine-tunable", "size": "Size"}
_SHORT_FORMATS = {
    **FORMATS,
    "saved_model_1": "SavedModel, TF1",
    "saved_model_2": "SavedModel, TF2",
    "tflite": "LiteRT",
}
_LABELS = {
    "format": _SHORT_FORMATS,
    "fine-tunable": {"yes": "Yes", "no": "No"},
    "size": {"small": "Under 10 MB", "medium": "10 to 100 MB", "large": "100 MB to 1 GB", "huge": "Over 1 GB"},
}
_OPTIONS = 8
_TEXT_LETTERS = 200
_CHOSEN = 50


@dataclasses.dataclass(frozen=True)
class Crumb:
    """One step of the way from the home page to here; the last one has no URL."""

    text: str
    url: str = ""


@dataclasses.dataclass(frozen=True)
class Badge:
    """A short fact; ``what`` tells what it is about, to those who cannot see its place, ``kind`` how it looks."""

    text: str
    what: str
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """A model in a list."""

    url: str
    name: str
    title: str
    description: str
    badges: tuple[Badge, ...]
    versions: str
    created: str


@dataclasses.dataclass(frozen=True)
class Option:
    """One label that models can be filtered by."""

    id: str
    value: str
    text: str
    count: int
    is_chosen: bool


@dataclasses.dataclass(frozen=True)
class Facet:
    """One group of labels; ``more`` are those that are shown on demand."""

    name: str
    title: str
    options: tuple[Option, ...]
    more: tuple[Option, ...]


@dataclasses.dataclass(frozen=True)
class Chip:
    """A filter that holds; its URL is that of the page without it."""

    text: str
    url: str


@dataclasses.dataclass(frozen=True)
class HomePage:
    """The list of models, searched and filtered.

    Attributes:
        title: Of the page.
        crumbs: None: this is where they begin.
        text: What was searched for.
        summary: How many were found.
        cards: Those of this page.
        facets: What can be filtered by.
        chips: The filters that hold.
        is_empty: Whether the hub has no models at all.
        previous: The URL of the page before, or empty.
        next: The URL of the page after, or empty.
        position: Which page this is; empty where there is one.
        example: How to load the first one.
    """

    title: str
    crumbs: tuple[Crumb, ...]
    text: str
    summary: str
    cards: tuple[ModelCard, ...]
    facets: tuple[Facet, ...]
    chips: tuple[Chip, ...]
    is_empty: bool
    previous: str
    next: str
    position: str
    example: Snippet | None


@dataclasses.dataclass(frozen=True)
class Link:
    """A link with a description."""

    url: str
    text: str
    description: str


@dataclasses.dataclass(frozen=True)
class ListPage:
    """The page of a publisher or a collection: a text, and models.

    Attributes:
        title: For people.
        crumbs: The way here.
        name: What programs call it.
        kind: ``Publisher`` or ``Collection``.
        is_private: Whether it is shown to some only.
        description: Its text, rendered; perhaps empty.
        summary: How many models it has.
        cards: Its models.
        collections: Those of a publisher.
    """

    title: str
    crumbs: tuple[Crumb, ...]
    name: str
    kind: str
    is_private: bool
    description: Markup
    summary: str
    cards: tuple[ModelCard, ...]
    collections: tuple[Link, ...] = ()


@dataclasses.dataclass(frozen=True)
class MessagePage:
    """A page that says why there is nothing else.

    Attributes:
        title: What it is, in two words.
        crumbs: The way here.
        message: What happened.
        facts: More about it, as pairs.
        versions_title: Of the list of versions.
        versions: What there is instead.
    """

    title: str
    crumbs: tuple[Crumb, ...]
    message: str
    facts: tuple[tuple[str, str], ...] = ()
    versions_title: str = "Versions"
    versions: tuple[Link, ...] = ()


def path_of(name: str, version: int | None = None) -> str:
    """Returns the path of the URL of a publisher, a model or a version."""
    return f"/{quote(name)}" if version is None else f"/{quote(name)}/{version}"


def crumbs_of(name: str, version: int | None = None) -> tuple[Crumb, ...]:
    """Returns the way to a model: the publisher, and the model where a version of it is named."""
    publisher, _, rest = name.partition("/")
    found = [Crumb("Models", "/")]
    if rest:
        found.append(Crumb(publisher, path_of(publisher)))
    if version is None:
        return (*found, Crumb(rest or publisher))
    return (*found, Crumb(rest or publisher, path_of(name)), Crumb(f"Version {version}"))


def badges(labels: Mapping[str, Sequence[str]], size_bytes: int | None, licence: str = "") -> tuple[Badge, ...]:
    """Returns the facts by which people choose a model.

    Args:
        labels: By facet, as in the search index.
        size_bytes: Of its files; None where it is not known.
        licence: As its card names it.
    """
    found = [Badge(task, "Task", "task") for task in labels.get("task", ())]
    found += [Badge(_SHORT_FORMATS[name], "Format") for name in labels.get("format", ())]
    found += [Badge("Fine-tunable", "Training", "good") for answer in labels.get("fine-tunable", ()) if answer == "yes"]
    found += [Badge(language, "Language") for language in labels.get("language", ())]
    found += [Badge(name, "Architecture") for name in labels.get("architecture", ())]
    found += [Badge(licence, "Licence")] if licence else []
    found += [Badge(size(size_bytes), "Size")] if size_bytes is not None else []
    return tuple(found)


def query_of(parameters: Iterable[tuple[str, str]]) -> Query:
    """Reads the parameters of a search: ``q``, ``page``, and the names of facets; what is none of these is ignored."""
    text, page = "", 1
    filters: dict[str, tuple[str, ...]] = {}
    for name, value in parameters:
        if name == "q":
            text = value.strip()[:_TEXT_LETTERS]
        elif name == "page" and value.isascii() and value.isdecimal() and len(value) < 7:
            page = int(value)
        elif name in FACETS and value and len(filters.get(name, ())) < _CHOSEN:
            filters[name] = tuple(dict.fromkeys((*filters.get(name, ()), value[:_TEXT_LETTERS])))
    return Query(text, filters, page)


def home_page(query: Query, results: Results, base_url: str) -> HomePage:
    """Returns the page of a search, or of all models.

    Args:
        query: What was looked for.
        results: What was found.
        base_url: The hub's own URL, ending in a slash.
    """
    first = results.entries[0] if results.entries else None
    is_asking = bool(query.text or query.filters)
    found = count(results.total, "model")
    summary = f"{found} for “{query.text}”" if query.text else found
    return HomePage(
        title=f"Search: {query.text}" if query.text else "Models",
        crumbs=(),
        text=query.text,
        summary=summary,
        cards=model_cards(results.entries),
        facets=tuple(_facet(name, query, results) for name in FACETS if _is_useful(name, query, results)),
        chips=tuple(_chips(query)),
        is_empty=first is None and not is_asking,
        previous=_url(query, page=results.page - 1) if results.page > 1 else "",
        next=_url(query, page=results.page + 1) if results.page < results.pages else "",
        position=f"Page {results.page} of {results.pages}" if results.pages > 1 else "",
        example=load_snippet(f"{base_url}{quote(first.name)}/{first.newest}") if first else None,
    )


def model_cards(entries: Iterable[Entry]) -> tuple[ModelCard, ...]:
    """Returns models as they are listed."""
    return tuple(
        ModelCard(
            path_of(entry.name),
            entry.name,
            entry.title,
            entry.description,
            badges(entry.labels, entry.size_bytes),
            count(entry.versions, "version"),
            day(datetime.datetime.fromisoformat(entry.created)) if entry.created else "",
        )
        for entry in entries
    )


def not_found_page(message: str, model: Model | None) -> MessagePage:
    """Returns the page of what does not exist.

    Args:
        message: What is missing.
        model: The model, when only the version is missing.
    """
    here = Crumb("Not found")
    if model is None:
        return MessagePage("Not found", (Crumb("Models", "/"), here), message)
    return MessagePage("Not found", (*crumbs_of(model.name, 0)[:-1], here), message, versions=_links(model))


def removed_page(name: str, version: int, reason: str, removed: datetime.datetime, model: Model | None) -> MessagePage:
    """Returns the page of a version that an operator has removed.

    Args:
        name: The model.
        version: The version.
        reason: Why, in the operator's words.
        removed: When.
        model: The model, with the versions that are left.
    """
    message = f"Version {version} of {name} was here. The operator of this hub has removed it."
    facts = (("Reason", reason or "None was given."), ("Removed", day(removed)))
    left = _links(model) if model else ()
    return MessagePage("Removed", crumbs_of(name, version), message, facts, "Other versions", left)


def _links(model: Model) -> tuple[Link, ...]:
    """Its versions, the newest first."""
    return tuple(
        Link(path_of(model.name, number), f"Version {number}", "newest" if number == model.newest else "")
        for number in reversed(model.versions)
    )


def _facet(name: str, query: Query, results: Results) -> Facet:
    chosen = query.filters.get(name, ())
    labels = _LABELS.get(name, {})
    options = [
        Option(f"{name}-{place}", label, labels.get(label, label), number, label in chosen)
        for place, (label, number) in enumerate(results.facets[name].items())
    ]
    if name in ("size", "fine-tunable"):  # their own order says more than the most frequent first
        order = list(labels)
        options.sort(key=lambda option: order.index(option.value) if option.value in order else len(order))
    first = [option for place, option in enumerate(options) if place < _OPTIONS or option.is_chosen]
    more = [option for place, option in enumerate(options) if place >= _OPTIONS and not option.is_chosen]
    return Facet(name, _TITLES.get(name, name.capitalize()), tuple(first), tuple(more))


def _is_useful(name: str, query: Query, results: Results) -> bool:
    """Whether a facet tells models apart."""
    counts = results.facets[name]
    return name in query.filters or any(number < results.total for number in counts.values())


def _chips(query: Query) -> Iterable[Chip]:
    for name, labels in query.filters.items():
        for label in labels:
            rest = {**query.filters, name: tuple(other for other in labels if other != label)}
            title = _TITLES.get(name, name.capitalize())
            text = _LABELS.get(name, {}).get(label, label)
            yield Chip(f"{title}: {text}", _url(dataclasses.replace(query, filters=rest)))


def _url(query: Query, *, page: int = 1) -> str:
    pairs = [("q", query.text)] if query.text else []
    pairs += [(name, label) for name, labels in query.filters.items() for label in labels]
    pairs += [("page", str(page))] if page > 1 else []
    return f"/?{urlencode(pairs)}" if pairs else "/"
