"""What programs look for in the errors of tensorflow_hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.misbehaving import Answer, MisbehavingServer
from tests.sample import archive

NO_MODULE = "does not appear to be a valid module."


def test_missing_path_does_not_exist(hub: Any, tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the message is compared whole
        hub.resolve(str(tmp_path / "none"))
    assert f"{tmp_path / 'none'} does not exist." in str(caught.value)


def test_folder_without_a_model_contains_neither(hub: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"contains neither 'saved_model\.pb' nor 'saved_model\.pbtxt'") as caught:
        hub.load(str(tmp_path))
    assert str(caught.value).startswith(f"Trying to load a model of incompatible/unknown type. '{tmp_path}'")


@pytest.mark.parametrize("body", [b"<html>log in</html>", archive()[:-9]], ids=["a page", "cut"])
def test_download_that_is_no_archive_is_no_valid_module(hub: Any, body: bytes) -> None:
    with MisbehavingServer(Answer(body)) as server, pytest.raises(OSError, match=NO_MODULE):
        hub.resolve(f"{server.url}/acme/net/1")


def test_handle_that_is_no_text_was_no_string(hub: Any) -> None:
    with pytest.raises(ValueError, match="Expected a string, got 5"):
        hub.load(5)
