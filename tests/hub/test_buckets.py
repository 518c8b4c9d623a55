"""Models in folders and archives of a real store of objects."""

from __future__ import annotations

from pathlib import Path

import pytest

import rehub
from rehub.errors import NotFoundError, TransferError
from rehub.storage.bucket import BucketStore
from tests import sample
from tests.hub.seaweed import SECRET, SeaweedFS


@pytest.fixture(scope="module")
def folder(weed: SeaweedFS) -> str:
    """A folder with a model, and an archive of it beside."""
    store = BucketStore("s3://nets/acme")
    for name, data in sample.FILES.items():
        store.put(f"net/{name}", data)
    store.put("net.tar.gz", sample.archive())
    return "s3://nets/acme/net"


def test_resolve_gets_a_folder_and_an_archive(folder: str) -> None:
    assert sample.read(rehub.resolve(folder)) == sample.FILES
    assert sample.read(rehub.resolve(f"{folder}.tar.gz")) == sample.FILES


def test_resolve_asks_no_more_until_the_time_is_over_and_sees_then_what_changed(folder: str) -> None:
    store = BucketStore("s3://nets/other")
    for name, data in sample.FILES.items():
        store.put(f"net/{name}", data)
    path = rehub.resolve("s3://nets/other/net")
    store.put("net/assets/words.txt", b"other")
    assert rehub.resolve("s3://nets/other/net") == path
    with rehub.settings(unversioned_ttl_s=0):
        new = rehub.resolve("s3://nets/other/net")
        assert sample.read(new)["assets/words.txt"] == b"other"
        assert rehub.resolve("s3://nets/other/net") == new


def test_resolve_says_what_is_not_there_and_what_is_refused(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for handle in ("s3://nets/acme/none", "s3://nets/none.tar.gz"):
        with pytest.raises(NotFoundError, match=handle):
            rehub.resolve(handle)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET + "x")
    with pytest.raises((PermissionError, TransferError), match="AWS_SECRET_ACCESS_KEY") as caught:
        rehub.resolve(f"{folder}/again")
    assert SECRET not in str(caught.value)


def test_download_of_a_large_folder_is_what_was_put_there(weed: SeaweedFS, tmp_path: Path) -> None:
    store = BucketStore("s3://nets/large")
    large = sample.FILES["variables/variables.data-00000-of-00001"] * 200
    files = {**sample.FILES, "assets/a": large, "assets/b": large[::-1]}
    for name, data in files.items():
        store.write(name, [data])
    assert sample.read(rehub.resolve("s3://nets/large")) == files
