"""A disk that is full while somebody publishes: who publishes is told, nobody sees anything, and nothing stays."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rehub.errors import StoreError
from rehub.server import EmbeddedHub
from rehub.server.commit import commit
from rehub.server.library import Library
from rehub.server.tokens import Tokens
from rehub.server.uploads import Uploads
from rehub.storage.folder import FolderStore
from tests.faults.test_disk import no_file_larger_than
from tests.publishers import clear_away
from tests.server import publishing
from tests.server.client import Client, said
from tests.server.conftest import Answer
from tests.server.publishing import FILES, NAME, check_whole, keys, keys_of

LARGEST = max(map(len, FILES.values()))
SIZES = sorted({0, 1, 5, 100, 600, LARGEST - 1, *(random.Random(0).randrange(LARGEST) for _ in range(6))})


def test_publishing_says_so_at_whichever_byte_the_disk_is_full(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    token = Tokens(store).create("tests", None)
    before = keys(store)
    with EmbeddedHub(store) as hub:
        client = Client(hub, token)
        for size_bytes in SIZES:
            with no_file_larger_than(size_bytes):
                begun = client.begin()
                answers = [begun, *_sent(client, said(begun))] if begun.status == 200 else [begun]

            assert answers[-1].status == 507
            assert said(answers[-1])["error"] == "the hub has no space left."
            assert said(answers[-1])["request_id"]
            assert Library(store).find(NAME) is None
            assert not [key for key in keys(store) if key.startswith("_rehub/tmp/")]
        clear_away(store)
        assert keys(store) == before

        assert client.publish().status == 201
    check_whole(store)


def _sent(client: Client, begun: dict[str, list[str]]) -> list[Answer]:
    """Sends blocks until one is refused, and then asks for the version."""
    blocks = publishing.blocks_of(FILES)
    answers = []
    for missing in begun["missing"]:
        answers.append(client.put_block(missing, blocks[missing]))
        if answers[-1].status != 204:
            return answers
    return [*answers, client.commit()]


@pytest.mark.parametrize("size_bytes", SIZES)
def test_commit_says_so_at_whichever_byte_the_disk_is_full(tmp_path: Path, size_bytes: int) -> None:
    store = FolderStore(tmp_path)
    uploads = Uploads(Library(store))
    content = publishing.begin(uploads)

    with no_file_larger_than(size_bytes), pytest.raises(StoreError) as caught:
        commit(uploads, NAME, None, content, by="tester")

    assert caught.value.is_full
    assert caught.value.hint.startswith("Make space")
    assert uploads.library.find(NAME) is None
    assert commit(uploads, NAME, None, content, by="tester").version == 1
    clear_away(store)
    assert keys(store) == keys_of(NAME, 1)
