"""What an operator does to a hub: tokens, publishers, collections, removing, tidying."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from rehub.server.library import Library, Removed
from rehub.server.publishers import Collection, PublisherInfo
from rehub.server.tokens import Tokens
from rehub.server.uploads import Uploads
from rehub.storage.folder import FolderStore
from tests.cli import command
from tests.server import publishing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "hub").mkdir()
    return tmp_path / "hub"


@pytest.fixture
def library(root: Path) -> Library:
    return Library(FolderStore(root))


def _do(root: Path, *arguments: str) -> tuple[int, str, str]:
    return command.call(root.parent / "cache", "serve", *arguments, "--store", str(root))


def test_token_create_prints_the_token_once(root: Path) -> None:
    code, out, err = _do(root, "token", "create", "ci", "--publisher", "acme", "--publisher", "b", "--expires", "90d")

    token = Tokens(FolderStore(root)).check(out.strip())
    assert (code, out.count("\n")) == (0, 1)
    assert "cannot show it again" in err
    assert token is not None
    assert (token.name, token.publishers, token.can_publish) == ("ci", {"acme", "b"}, True)
    assert token.expires is not None
    assert (token.expires - token.created).days in (89, 90)


def test_token_create_makes_tokens_for_reading(root: Path) -> None:
    _, out, _ = _do(root, "token", "create", "notebooks", "--all-publishers", "--read-only")

    token = Tokens(FolderStore(root)).check(out.strip())
    assert token is not None
    assert (token.publishers, token.can_publish, token.expires) == (None, False, None)


@pytest.mark.parametrize(
    "more", [(), ("--publisher", "acme", "--all-publishers"), ("--publisher", "a", "--expires", "x")]
)
def test_token_create_fails_when_it_is_not_said_for_what(root: Path, more: tuple[str, ...]) -> None:
    code, out, _ = _do(root, "token", "create", "ci", *more)

    assert (code, out) == (2, "")
    assert list(root.iterdir()) == []


def test_token_list_shows_what_is_known(root: Path) -> None:
    assert "No tokens yet" in _do(root, "token", "list")[2]
    secret = _do(root, "token", "create", "ci of acme", "--publisher", "acme")[1].strip()
    _do(root, "token", "create", "all", "--all-publishers", "--read-only", "--expires", "0d")

    _, out, _ = _do(root, "token", "list")
    _, as_json, _ = _do(root, "token", "list", "--json")

    assert secret not in out + as_json
    assert [line.split()[1] for line in out.splitlines()] == ["NAME", "all", "ci"]
    assert "(over)" in out.splitlines()[1]
    (first, second) = json.loads(as_json)
    assert (first["publishers"], first["can_publish"]) == (None, False)
    assert (second["name"], second["publishers"], second["expires"]) == ("ci of acme", ["acme"], None)


def test_token_revoke_ends_a_token(root: Path) -> None:
    secret = _do(root, "token", "create", "ci", "--all-publishers")[1].strip()

    assert _do(root, "token", "revoke", "ci")[0] == 0
    assert Tokens(FolderStore(root)).check(secret) is None

    code, _, err = _do(root, "token", "revoke", "ci")
    assert code == 1
    assert "no token 'ci'" in err


def test_remove_leaves_the_reason(root: Path, library: Library) -> None:
    publishing.publish(Uploads(library))

    code, _, err = _do(root, "remove", "acme/net/1", "--reason", "Trained on the wrong data.")

    assert (code, err) == (0, "Removed acme/net/1: Trained on the wrong data.\n")
    removed = library.version("acme/net", 1)
    assert isinstance(removed, Removed)
    assert removed.reason == "Trained on the wrong data."


@pytest.mark.parametrize(("version", "message"), [("acme/net", "is no version"), ("acme/net/7", "no version 7")])
def test_remove_fails_when_there_is_no_such_version(root: Path, version: str, message: str) -> None:
    code, _, err = _do(root, "remove", version, "--reason", "x")

    assert code == 1
    assert message in err


def test_gc_deletes_what_is_old_and_prints_it(root: Path, library: Library) -> None:
    publishing.publish(Uploads(library))
    content = publishing.begin(Uploads(library), publishing.files_with(b"cut off"))

    assert _do(root, "gc")[1:] == ("", "Deleted 0 objects (0 B).\n")
    _, would, told = _do(root, "gc", "--older-than", "0h", "--dry-run")
    _, gone, _ = _do(root, "gc", "--older-than", "0h")

    assert would == gone
    assert "Would delete 2 objects" in told
    assert f"_rehub/uploads/acme/net/{content}/manifest.json" in gone.splitlines()
    assert publishing.keys(library.store) == publishing.keys_of("acme/net", 1)


def test_publisher_shows_and_changes_what_is_set(root: Path, library: Library, tmp_path: Path) -> None:
    (tmp_path / "about.md").write_text("# Acme\n")
    assert _do(root, "publisher", "acme")[1] == "acme: public\n"

    _do(root, "publisher", "acme", "--private", "--title", "Acme Research")
    _, out, _ = _do(root, "publisher", "acme", "--description-file", str(tmp_path / "about.md"))

    assert out == "acme: private\ntitle: Acme Research\ndescription: # Acme\n"
    assert library.publisher("acme") == PublisherInfo("acme", True, "Acme Research", "# Acme\n")


def test_collection_is_made_changed_and_removed(root: Path, library: Library) -> None:
    assert _do(root, "collection", "acme/texts")[0] == 1

    _do(root, "collection", "acme/texts", "acme/a", "other/b")
    _, out, _ = _do(root, "collection", "acme/texts", "--title", "Texts")
    assert out == "acme/texts: 2 models\nacme/a\nother/b\n"
    assert library.collection("acme", "texts") == Collection("acme", "texts", "Texts", "", ("acme/a", "other/b"))

    assert _do(root, "collection", "acme/texts", "--remove")[0] == 0
    assert library.collection("acme", "texts") is None


def test_commands_of_the_document_do_what_it_says(
    root: Path, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = (Path(__file__).parents[2] / "docs" / "hub_store.md").read_text(encoding="utf-8")
    lines = [line for line in document.splitlines() if line.startswith("rehub serve ")]
    publishing.publish(Uploads(library), version=3)
    (tmp_path / "acme.md").write_text("# Acme\n")
    monkeypatch.chdir(tmp_path)  # where ./hub is

    for line in lines:
        code, _, err = command.call(tmp_path / "cache", *shlex.split(line)[1:])
        assert code == 0, (line, err)

    assert len(lines) > 8
    assert [token.name for token in Tokens(library.store).all()] == ["notebooks"]
    assert library.publisher("acme").is_private
    assert [collection.name for collection in library.collections("acme")] == ["texts"]
    assert isinstance(library.version("acme/net", 3), Removed)


@pytest.mark.parametrize("arguments", [("token", "list"), ("gc",), ("publisher", "acme")])
def test_operator_commands_fail_when_there_is_no_hub(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = _do(tmp_path / "nowhere", *arguments)

    assert (code, out) == (1, "")
    assert "nowhere' is not a folder" in err


@pytest.mark.parametrize("folder", ["./gc", "no-such-command"])
def test_serve_takes_any_other_word_for_a_folder(tmp_path: Path, folder: str) -> None:
    code, _, err = command.call(tmp_path / "cache", "serve", folder, "--port", "0")

    assert code == 1
    assert f"{Path(folder)}' is not a folder" in err


def test_serve_help_lists_its_commands_too(tmp_path: Path) -> None:
    _, out, _ = command.call(tmp_path / "cache", "serve", "--help")

    assert "--port" in out
    assert all(f"  {name} " in out for name in ("token", "publisher", "collection", "remove", "gc"))
