"""Search: an index over the newest version of every model, with filters."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from rehub.errors import FormatError, StoreError
from rehub.server.catalogue import Model
from rehub.server.description import Description, Descriptions
from rehub.server.library import Library
from rehub.server.views_interface import FORMATS
from rehub.server.word_index import WordIndex, words_of

FACETS = ("task", "format", "fine-tunable", "size", "publisher", "language", "architecture", "dataset")
"""What can be filtered by, in the order of the page."""

SIZES = {"small": 10_000_000, "medium": 100_000_000, "large": 1_000_000_000}
"""Size classes by the bytes from which on a model is of the next one; the last class is ``huge``."""

PAGE_HITS = 24

MayRead = Callable[[str], bool]
"""Whether whoever asks may know of a publisher."""

_FRESH_S = 2.0
_BUDGET_S = 2.0
"""How long one look-up may read descriptions that are new; the rest is known by name until the next one."""
_CARD_WORDS = 500
_WEIGHTS = {"name": 8.0, "title": 6.0, "label": 4.0, "description": 3.0, "card": 1.0}


@dataclasses.dataclass(frozen=True)
class Entry:
    """What the index knows of a model.

    Attributes:
        name: ``PUBLISHER/MODEL``.
        newest: Its newest version.
        versions: How many there are.
        title: From its card, or empty.
        description: One line from its card, or empty.
        size_bytes: Of the newest version; None where nothing is known yet.
        created: When that was published, as ISO 8601; empty where nobody knows.
        labels: What it can be found by, for each of `FACETS`.
        words: Every word of it, with the weight of the best place.
    """

    name: str
    newest: int
    versions: int
    title: str
    description: str
    size_bytes: int | None
    created: str
    labels: Mapping[str, tuple[str, ...]]
    words: Mapping[str, float]

    @property
    def publisher(self) -> str:
        """The first part of its name."""
        return self.name.partition("/")[0]


@dataclasses.dataclass(frozen=True)
class Query:
    """What is looked for.

    Attributes:
        text: Words, each of which has to be found; empty for all models.
        filters: Wanted labels by facet: one of each facet has to fit.
        page: From 1.
    """

    text: str = ""
    filters: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    page: int = 1


@dataclasses.dataclass(frozen=True)
class Results:
    """What was found.

    Attributes:
        entries: Those of the page, the best first; by name where no words are looked for.
        total: How many there are on all pages.
        page: The page that these are of: the last one where a later one was asked for.
        pages: How many pages there are, at least 1.
        facets: How many models there would be with a label added or alone, by facet and label, the most frequent first.
    """

    entries: tuple[Entry, ...]
    total: int
    page: int
    pages: int
    facets: Mapping[str, Mapping[str, int]]


class Index:
    """The models of a library, searchable; it follows the library within seconds. Threads may share it.

    Args:
        library: The models.
        descriptions: Their versions.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, library: Library, descriptions: Descriptions, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._library = library
        self._clock = clock
        self._descriptions = descriptions
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._snapshot: _Snapshot | None = None

    def search(self, query: Query, may_read: MayRead) -> Results:
        """Searches.

        Args:
            query: What for.
            may_read: Whether a publisher's models are shown.

        Raises:
            StoreError: If the store does not answer, and nothing is known from before.
        """
        hits = self._fresh().ranked(query.text, may_read)
        filters = {name: frozenset(labels) for name, labels in query.filters.items() if name in FACETS and labels}
        found = [entry for entry in hits if _fits(entry, filters)]
        pages = max(1, -(-len(found) // PAGE_HITS))
        page = min(max(query.page, 1), pages)
        shown = found[(page - 1) * PAGE_HITS : page * PAGE_HITS]
        return Results(tuple(shown), len(found), page, pages, _facets(hits, found, filters))

    def entries(self, names: Collection[str]) -> list[Entry]:
        """Returns what is known of these models, in this order, without those that do not exist.

        Raises:
            StoreError: As of `search`.
        """
        by_name = self._fresh().by_name
        return [by_name[name] for name in names if name in by_name]

    def of_publisher(self, publisher: str) -> list[Entry]:
        """Returns all models of a publisher, by name.

        Raises:
            StoreError: As of `search`.
        """
        return [entry for entry in self._fresh().entries if entry.publisher == publisher]

    def _fresh(self) -> _Snapshot:
        """The index as of now; as of before while another thread brings it up to date, or the store does not answer."""
        known = self._snapshot
        if known is not None and (self._clock() - self._looked < _FRESH_S or self._lock.locked()):
            return known
        with self._lock:
            known = self._snapshot
            if known is None or self._clock() - self._looked >= _FRESH_S:
                try:
                    known = self._snapshot = self._updated(known)
                except StoreError:
                    if known is None:
                        raise
                self._looked = self._clock()
            return known

    def _described(self, model: Model) -> Description | None:
        try:
            described = self._descriptions.get(model.name, model.newest)
        except FormatError:  # one damaged record hides no other model
            return None
        return described if isinstance(described, Description) else None

    def _updated(self, known: _Snapshot | None) -> _Snapshot:
        models = self._library.models()
        until = self._clock() + _BUDGET_S
        entries = []
        for model in models:
            entry = known.by_name.get(model.name) if known else None
            if entry is not None and (entry.newest, entry.versions) != (model.newest, len(model.versions)):
                entry = None
            if entry is None or (entry.size_bytes is None and self._clock() < until):
                entry = entry_of(model, self._described(model) if self._clock() < until else None)
            entries.append(entry)
        return known if known and known.entries == tuple(entries) else _Snapshot(entries)


class _Snapshot:
    """An index that does not change."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        self.by_name = {entry.name: entry for entry in entries}
        self._words = WordIndex([entry.words for entry in entries])

    def ranked(self, text: str, may_read: MayRead) -> list[Entry]:
        """Returns the entries in which every word of a text is found, the best first; all by name without words."""
        readable = {name: may_read(name) for name in {entry.publisher for entry in self.entries}}
        places = {place for place, entry in enumerate(self.entries) if readable[entry.publisher]}
        scores = self._words.scores(text, places)
        if scores is None:
            return [self.entries[place] for place in sorted(places)]
        return [self.entries[place] for place in sorted(scores, key=lambda place: (-scores[place], place))]


def entry_of(model: Model, description: Description | None) -> Entry:
    """Returns what the index knows of a model.

    Args:
        model: The model.
        description: Of its newest version; None where that is not known yet.
    """
    if description is None:
        publisher = model.name.partition("/")[0]
        words = dict.fromkeys(words_of(model.name), _WEIGHTS["name"])
        return Entry(
            model.name, model.newest, len(model.versions), "", "", None, "", {"publisher": (publisher,)}, words
        )
    card, labels = description.card, labels_of(description)
    words = _weighted(
        card=words_of(card.body)[:_CARD_WORDS],
        description=words_of(card.description),
        label=[word for name in FACETS for label in labels.get(name, ()) for word in words_of(label)],
        title=words_of(card.title),
        name=words_of(model.name),
    )
    created = description.created.isoformat() if description.created else ""
    return Entry(
        model.name,
        model.newest,
        len(model.versions),
        card.title,
        card.description,
        description.size_bytes,
        created,
        labels,
        words,
    )


def labels_of(description: Description) -> dict[str, tuple[str, ...]]:
    """Returns what a version can be found by, for each of `FACETS`."""
    card, interface = description.card, description.interface
    is_fine_tunable = card.fine_tunable
    if is_fine_tunable is None and interface:
        is_fine_tunable = interface.is_fine_tunable
    labels = {
        "task": card.tasks,
        "format": tuple(name for name in FORMATS if name in description.formats),
        "fine-tunable": () if is_fine_tunable is None else ("yes" if is_fine_tunable else "no",),
        "size": (size_class(description.size_bytes),),
        "publisher": (description.name.partition("/")[0],),
        "language": card.languages,
        "architecture": card.architectures,
        "dataset": card.datasets,
    }
    return {name: tuple(dict.fromkeys(found)) for name, found in labels.items()}


def size_class(size_bytes: int) -> str:
    """Returns the class of a size: ``small`` is below 10 MB."""
    return next((name for name, limit in SIZES.items() if size_bytes < limit), "huge")


def _weighted(**fields: Iterable[str]) -> dict[str, float]:
    """The words of all fields; those of later ones, which weigh more, win."""
    return {word: _WEIGHTS[field] for field, words in fields.items() for word in words}


def _fits(entry: Entry, filters: Mapping[str, frozenset[str]], *, without: str = "") -> bool:
    return all(name == without or not wanted.isdisjoint(entry.labels.get(name, ())) for name, wanted in filters.items())


def _facets(
    hits: Sequence[Entry], found: Sequence[Entry], filters: Mapping[str, frozenset[str]]
) -> dict[str, dict[str, int]]:
    """Counts the labels of each facet among what all the other facets let through."""
    counted = {}
    for name in FACETS:
        passed = [entry for entry in hits if _fits(entry, filters, without=name)] if name in filters else found
        counts = Counter(label for entry in passed for label in entry.labels.get(name, ()))
        counts.update(dict.fromkeys(filters.get(name, ()), 0))  # what is chosen can be unchosen
        counted[name] = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return counted
