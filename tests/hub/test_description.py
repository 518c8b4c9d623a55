"""The API does what its description says, whatever fits that is asked, and whatever does not fit."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from rehub.server import EmbeddedHub
from rehub.server.library import Library
from rehub.server.removal import remove
from rehub.server.tokens import Tokens
from rehub.server.uploads import Uploads
from rehub.storage.folder import FolderStore
from tests.server.publishing import FILES, NAME, content, files_with, publish

OPERATIONS = ("search", "show", "begin", "putBlock", "commit", "describe")
# What a test cannot know: whether bytes that fit the description are a manifest, or a block of an upload.
_EXCLUDED = [positive_data_acceptance, negative_data_rejection]
_EXAMPLES = 25


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    """Has a model with two versions, one of them removed."""
    store = FolderStore(tmp_path_factory.mktemp("store"))
    uploads = Uploads(Library(store))
    publish(uploads, FILES)
    publish(uploads, files_with(b"second"))
    remove(Library(store), NAME, 1, "It was wrong.")
    return store


@pytest.fixture(scope="module")
def hub(store: FolderStore) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(store) as hub:
        yield hub


@pytest.fixture(scope="module")
def description(hub: EmbeddedHub) -> Any:
    with urllib.request.urlopen(f"{hub.url}/api/v1/openapi.json") as response:
        return schemathesis.openapi.from_dict(json.load(response))


@pytest.fixture(scope="module", params=["with a token", "without a token", "with a wrong token"])
def headers(request: pytest.FixtureRequest, store: FolderStore) -> dict[str, str]:
    if request.param == "without a token":
        return {}
    token = Tokens(store).create("tests", None) if request.param == "with a token" else f"rehub_{'a' * 52}"
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_fit_the_description(
    hub: EmbeddedHub, description: Any, store: FolderStore, headers: dict[str, str], operation: str
) -> None:
    (found,) = (each.ok() for each in description.get_all_operations() if _id(each.ok()) == operation)
    cases = found.as_strategy()
    if operation != "describe":  # which nobody can ask in a wrong way
        cases |= found.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    if operation not in ("describe", "search"):
        others = {"upload": content(), "sha256": "0" * 64} if operation in ("putBlock", "commit") else {}
        cases |= found.as_strategy(path_parameters={"name": NAME, **others})

    @seed(1)
    @settings(max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def ask(case: Any) -> None:
        case.headers = {**(case.headers or {}), **headers}
        case.call_and_validate(base_url=hub.url, excluded_checks=_EXCLUDED, timeout=60)

    ask()


def test_description_names_all_operations(description: Any) -> None:
    assert sorted(_id(each.ok()) for each in description.get_all_operations()) == sorted(OPERATIONS)


def test_nothing_was_written_outside_of_the_store(store: FolderStore, description: Any) -> None:
    """Runs last: what the other tests have sent is in nobody's sight, and inside."""
    root = Path(store.url)
    assert [model.name for model in Library(store).models()] == [NAME]
    assert {path.name for path in root.iterdir()} <= {"acme", "_rehub"}


def _id(operation: Any) -> str:
    return str(operation.definition.raw["operationId"])
