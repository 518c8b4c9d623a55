"""Buckets: URLs, what is said when they fail, and signed URLs. No request leaves this machine."""

from __future__ import annotations

import socket
import sys

import pytest

from rehub.errors import DependencyError, StoreError
from rehub.storage.bucket import BucketStore
from rehub.storage.opening import open_store

SECRET = "wJalrXUtnFEMI"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> BucketStore:
    """A bucket at a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "here")
    monkeypatch.setattr("rehub.storage.bucket._RETRIES", {"max_retries": 0})
    return BucketStore("s3://bucket/some/prefix/")


def test_signed_url_gives_an_object_for_some_time(s3: BucketStore) -> None:
    url = s3.signed_url("acme/net/1/a b", 60)

    assert url is not None
    assert "/bucket/some/prefix/acme/net/1/a%20b?" in url
    assert "X-Amz-Expires=60" in url
    assert SECRET not in url


def test_store_that_nobody_answers_for_is_an_error_without_secrets(s3: BucketStore) -> None:
    with pytest.raises(StoreError, match="s3://bucket/some/prefix failed: ") as caught:
        s3.info("a")

    assert (caught.value.store, caught.value.key) == ("s3://bucket/some/prefix", "a")
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.hint


def test_open_tells_no_password_when_a_url_is_refused() -> None:
    with pytest.raises(StoreError, match="failed: ") as caught:
        open_store(f"memory://user:{SECRET}@x?token={SECRET}")

    assert SECRET not in f"{caught.value}{caught.value.store}"


def test_open_fails_when_a_url_says_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)

    with pytest.raises(StoreError, match="Account must be specified"):
        open_store("az://container")


def test_open_names_what_a_hub_can_be_kept_in() -> None:
    with pytest.raises(StoreError, match="cannot be kept in ftp://") as caught:
        open_store("ftp://host/x")

    assert "s3://BUCKET" in caught.value.hint


def test_open_names_the_extra_when_obstore_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)

    with pytest.raises(DependencyError, match="'obstore'") as caught:
        open_store("s3://bucket")

    assert "rehub[bucket]" in caught.value.hint
