"""Search: what is found, in which order, and how soon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehub.errors import StoreError
from rehub.server.description import Descriptions
from rehub.server.library import Library
from rehub.server.search import Index, Query, Results
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectInfo
from tests.server.conftest import write_version
from tests.server.published import card_text, put_plain, put_published, put_tombstone

TEXT, IMAGES, GRAPHS = "saved_models/module", "tf1_hub/image", "saved_models/graphs"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FailingStore(FolderStore):
    """A folder that can be out of reach."""

    is_down = False

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._up() or super().list(prefix)

    def folders(self, prefix: str) -> list[str]:
        return self._up() or super().folders(prefix)

    def _up(self) -> None:
        if self.is_down:
            raise StoreError("The store does not answer.", hint="Wait.")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put_plain(
        tmp_path,
        "acme/sentences/2",
        TEXT,
        card_text(
            "It was compared with inception on long texts.",
            title="Sentence encoder",
            description="Rich vectors of sentences.",
            task="[text-embedding, semantic-search]",
            language="[en, de]",
            dataset="wikipedia",
            network_architecture="transformer",
        ),
    )
    put_published(
        tmp_path,
        "google/inception/1",
        IMAGES,
        card_text(task="image-feature-vector", network_architecture="inception", dataset="imagenet"),
    )
    put_plain(tmp_path, "legacy/churn/7", GRAPHS, card_text(description="Für Zürich.", language="de"))
    return tmp_path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def index(root: Path, clock: Clock) -> Index:
    library = Library(FolderStore(root))
    return Index(library, Descriptions(library), clock=clock)


def look(index: Index, text: str = "", page: int = 1, **filters: str | tuple[str, ...]) -> Results:
    wanted = {
        name.replace("_", "-"): (labels,) if isinstance(labels, str) else labels for name, labels in filters.items()
    }
    return index.search(Query(text, wanted, page), lambda _: True)


def names(results: Results) -> list[str]:
    return [entry.name for entry in results.entries]


def test_search_without_words_gives_all_by_name(index: Index) -> None:
    assert names(look(index)) == ["acme/sentences", "google/inception", "legacy/churn"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("churn", "legacy/churn"),  # the name
        ("google", "google/inception"),  # the publisher
        ("encoder", "acme/sentences"),  # the title
        ("vectors", "acme/sentences"),  # the description
        ("long texts", "acme/sentences"),  # the card
        ("semantic-search", "acme/sentences"),  # a task
        ("imagenet", "google/inception"),  # a dataset
        ("transformer", "acme/sentences"),  # an architecture
        ("tf1_hub", "google/inception"),  # a format
        ("TRANSFORMER wiki", "acme/sentences"),  # any case, beginnings of words
        ("zurich", "legacy/churn"),  # without accents
        ("für zürich", "legacy/churn"),
        ("setnences", "acme/sentences"),  # letters in the wrong place
        ("transfomer", "acme/sentences"),  # a letter missing
    ],
)
def test_search_finds_a_model_by(index: Index, text: str, found: str) -> None:
    assert names(look(index, text)) == [found]


def test_search_puts_those_first_that_are_called_so(index: Index) -> None:
    assert names(look(index, "inception")) == ["google/inception", "acme/sentences"]


def test_search_puts_whole_words_before_their_beginnings(tmp_path: Path) -> None:
    for name, title in (("a", "Network"), ("b", "Net"), ("c", "Netting")):
        put_plain(tmp_path, f"acme/{name}/1", GRAPHS, card_text(title=title))
    library = Library(FolderStore(tmp_path))

    assert names(look(Index(library, Descriptions(library)), "net")) == ["acme/b", "acme/a", "acme/c"]


def test_search_finds_only_what_has_every_word(index: Index) -> None:
    assert names(look(index, "inception imagenet")) == ["google/inception"]
    assert names(look(index, "inception zurich")) == []


def test_search_does_not_guess_when_a_word_is_found(index: Index) -> None:
    assert names(look(index, "sentence")) == ["acme/sentences"]
    assert names(look(index, "qqqqqq")) == []


def test_filters_of_one_kind_add_up_and_those_of_several_narrow_down(index: Index) -> None:
    assert names(look(index, format=("tf1_hub", "saved_model_2"))) == ["acme/sentences", "google/inception"]
    assert names(look(index, format=("tf1_hub", "saved_model_2"), language="de")) == ["acme/sentences"]
    assert names(look(index, "inception", language="en")) == ["acme/sentences"]
    assert names(look(index, fine_tunable="yes", size="small", publisher="acme")) == ["acme/sentences"]


def test_filters_know_models_for_other_programs(root: Path) -> None:
    folder = put_plain(root, "acme/phones/1", GRAPHS)
    (folder / "model.tflite").write_bytes(b"lite")
    library = Library(FolderStore(root))

    found = look(Index(library, Descriptions(library)), format="tflite")

    assert names(found) == ["acme/phones"]


def test_facets_count_what_each_label_would_show(index: Index) -> None:
    facets = look(index, language="de").facets

    assert facets["language"] == {"de": 2, "en": 1}
    assert facets["format"] == {"saved_model_1": 1, "saved_model_2": 1}
    assert facets["publisher"] == {"acme": 1, "legacy": 1}


def test_facets_keep_what_is_chosen_when_nothing_has_it(index: Index) -> None:
    results = look(index, language="fr", task="text-embedding")

    assert results.total == 0
    assert results.facets["language"] == {"de": 1, "en": 1, "fr": 0}


def test_search_gives_the_last_page_when_a_later_one_is_asked_for(tmp_path: Path) -> None:
    for number in range(50):
        write_version(tmp_path, f"acme/net-{number:02}/1")
    library = Library(FolderStore(tmp_path))
    index = Index(library, Descriptions(library))

    second, last = look(index, page=2), look(index, page=99)

    assert (second.total, second.page, second.pages) == (50, 2, 3)
    assert names(second) == [f"acme/net-{number:02}" for number in range(24, 48)]
    assert (last.page, names(last)) == (3, ["acme/net-48", "acme/net-49"])


def test_search_shows_nothing_of_publishers_who_may_not_be_read(index: Index) -> None:
    results = index.search(Query(), lambda publisher: publisher != "acme")

    assert names(results) == ["google/inception", "legacy/churn"]
    assert "acme" not in results.facets["publisher"]


def test_search_does_not_tell_which_words_others_have(root: Path) -> None:
    put_plain(root, "secret/model/1", GRAPHS, card_text(title="Sentances"))
    library = Library(FolderStore(root))

    results = Index(library, Descriptions(library)).search(Query("sentances"), lambda publisher: publisher != "secret")

    assert names(results) == ["acme/sentences"]


def test_search_finds_what_is_new_within_seconds(index: Index, root: Path, clock: Clock) -> None:
    look(index)
    put_plain(root, "acme/later/1", TEXT)
    put_plain(root, "legacy/churn/8", TEXT, card_text(title="Quite another"))
    put_tombstone(root, "google/inception/1", "Old.")

    clock.now += 5

    assert names(look(index)) == ["acme/later", "acme/sentences", "legacy/churn"]
    assert names(look(index, "quite another")) == ["legacy/churn"]


def test_search_does_not_read_the_library_for_every_question(index: Index, root: Path) -> None:
    look(index)
    put_plain(root, "acme/later/1", TEXT)

    assert "acme/later" not in names(look(index))


def test_search_finds_others_when_a_record_is_damaged(index: Index, root: Path) -> None:
    (root / "google/inception/1/manifest.json").write_bytes(b"{")

    assert names(look(index)) == ["acme/sentences", "google/inception", "legacy/churn"]
    assert names(look(index, "incept")) == ["google/inception", "acme/sentences"]


def test_search_answers_as_before_while_the_store_is_out_of_reach(root: Path, clock: Clock) -> None:
    store = FailingStore(root)
    library = Library(store)
    index = Index(library, Descriptions(library), clock=clock)
    look(index)

    store.is_down = True
    clock.now += 60

    assert len(names(look(index))) == 3


def test_search_fails_when_the_store_has_never_answered(root: Path) -> None:
    store = FailingStore(root)
    store.is_down = True
    library = Library(store)

    with pytest.raises(StoreError):
        look(Index(library, Descriptions(library)))


def test_search_goes_on_reading_where_time_ran_out(root: Path) -> None:
    class Slow(Clock):
        """Every look at it takes a while."""

        def __call__(self) -> float:
            self.now += 0.8
            return self.now

    library = Library(FolderStore(root))
    index = Index(library, Descriptions(library), clock=Slow())

    read = [[entry.size_bytes is not None for entry in look(index).entries] for _ in range(9)]

    assert read[0] == [True, True, False]
    assert read[-1] == [True, True, True]
