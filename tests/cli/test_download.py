"""``rehub download``: models in a folder of one's choice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub
from tests import sample
from tests.cli import command
from tests.misbehaving import Answer, MisbehavingServer, Request


def test_download_puts_one_model_into_the_folder_itself(hub: EmbeddedHub, models: Path, cache: Path) -> None:
    target = cache.with_name("model")

    code, out, err = command.run(cache, "download", f"{hub.url}/acme/net", "--to", target)

    assert (code, out) == (0, f"{target}\n")
    assert f"{hub.url}/acme/net/2: downloaded from {hub.url}" in err
    assert command.files(target) == command.files(models / "acme/net/2")
    assert not cache.exists()


def test_download_puts_several_models_where_a_hub_serves_them(hub: EmbeddedHub, models: Path, cache: Path) -> None:
    target = cache.with_name("tree")
    handles = [f"{hub.url}/acme/net/1", f"{hub.url}/acme/net", f"{hub.url}/acme/net/2"]

    code, out, _ = command.run(cache, "download", *handles, "--to", target)

    assert (code, out.split()) == (0, [f"{target}/acme/net/1", f"{target}/acme/net/2"])
    assert command.files(target) == command.files(models)
    with EmbeddedHub(target) as mirror:
        assert command.run(cache, "resolve", f"{mirror.url}/acme/net/1")[0] == 0


def test_download_keeps_the_capitals_of_a_tree(hub: EmbeddedHub, models: Path, cache: Path) -> None:
    (models / "acme/net").rename(models / "acme/Net")
    target = cache.with_name("tree")
    for words in ("resolve",), ("download", "--tree", "--to", target):
        assert command.run(cache, *words, f"{hub.url}/acme/Net/1")[0] == 0
    assert (target / "acme/Net/1/saved_model.pb").read_bytes() == sample.SAVED_MODEL


def test_download_copies_what_the_cache_has(hub: EmbeddedHub, cache: Path) -> None:
    handle = f"{hub.url}/acme/net/1"
    cached = Path(command.run(cache, "resolve", handle)[1].strip())
    target = cache.with_name("model")

    code, _, err = command.run(cache, "download", handle, "--to", target, REHUB_OFFLINE="1")
    (target / "saved_model.pb").write_bytes(b"edited")

    assert code == 0
    assert f"copied from {cached}" in err
    assert (cached / "saved_model.pb").read_bytes() == sample.SAVED_MODEL


def test_download_refuses_to_copy_a_damaged_model(hub: EmbeddedHub, cache: Path) -> None:
    handle = f"{hub.url}/acme/net/1"
    cached = Path(command.run(cache, "resolve", handle)[1].strip())
    (cached / "assets/words.txt").write_text("X")

    code, out, err = command.run(cache, "download", handle, "--to", cache.with_name("model"))

    assert (code, out) == (1, "")
    assert "assets/words.txt has sha256" in err
    assert f"rehub cache verify --repair {handle}" in err
    assert not cache.with_name("model").exists()


def test_download_only_says_what_it_would_do_when_it_runs_dry(hub: EmbeddedHub, cache: Path) -> None:
    command.run(cache, "resolve", f"{hub.url}/acme/net/1")
    before = command.everything(cache.parent)
    arguments = ["download", f"{hub.url}/acme/net/1", f"{hub.url}/acme/net", "--to", cache.with_name("m"), "--dry-run"]

    code, out, err = command.run(cache, *arguments)
    first, second = json.loads(command.run(cache, *arguments, "--json")[1])

    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == ["ACTION", "copy", "download"]
    assert "Would download 1 model (" in err
    assert (first["action"], first["source"]) == ("copy", str(next(cache.glob("*/acme/net/1"))))
    assert first["size_bytes"] == sum(map(len, command.files(next(cache.glob("*/acme/net/1"))).values()))
    assert (second["action"], second["location"]) == ("download", f"{hub.url}/acme/net/2")
    assert second["handle"] == f"{hub.url}/acme/net"
    assert second["folder"] == str(cache.with_name("m") / "acme/net/2")
    assert second["size_bytes"] > 1000
    assert command.everything(cache.parent) == before


def test_download_finds_the_version_in_the_cache_when_the_server_names_it(hub: EmbeddedHub, cache: Path) -> None:
    command.run(cache, "resolve", f"{hub.url}/acme/net/2")

    out = command.run(cache, "download", f"{hub.url}/acme/net", "--to", cache.with_name("m"), "--dry-run", "--json")[1]

    assert json.loads(out)[0]["action"] == "copy"


def test_download_keeps_what_is_there_already(hub: EmbeddedHub, cache: Path) -> None:
    arguments = ["download", f"{hub.url}/acme/net/1", "--tree", "--to", cache.with_name("m")]
    command.run(cache, *arguments)

    code, _, err = command.run(cache, *arguments)

    assert code == 0
    assert "there already" in err


def test_download_knows_one_model_by_its_pin(hub: EmbeddedHub, cache: Path) -> None:
    command.run(cache, "resolve", f"{hub.url}/acme/net/1")
    shown = json.loads(command.run(cache, "cache", "show", f"{hub.url}/acme/net/1", "--json")[1])
    arguments = ["download", f"{hub.url}/acme/net/1#sha256={shown[0]['pin']}", "--to", cache.with_name("m")]
    assert command.run(cache, *arguments)[0] == 0

    code, _, err = command.run(cache, *arguments)
    assert (code, "there already" in err) == (0, True)

    (cache.with_name("m") / "assets/words.txt").write_text("other")
    code, _, err = command.run(cache, *arguments)
    assert (code, "--force" in err) == (1, True)


def test_download_replaces_a_model_only_when_forced(hub: EmbeddedHub, models: Path, cache: Path) -> None:
    target = cache.with_name("model")
    command.run(cache, "download", f"{hub.url}/acme/net/1", "--to", target)

    code, out, err = command.run(cache, "download", f"{hub.url}/acme/net/2", "--to", target)
    assert (code, out) == (1, "")
    assert "there is a model" in err
    assert "--force" in err
    assert command.files(target) == command.files(models / "acme/net/1")

    assert command.run(cache, "download", f"{hub.url}/acme/net/2", "--to", target, "--force")[0] == 0
    assert command.files(target) == command.files(models / "acme/net/2")
    assert {path.name for path in cache.parent.iterdir()} == {"hub", "model"}


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_download_never_replaces_what_is_no_model(hub: EmbeddedHub, cache: Path, force: tuple[str, ...]) -> None:
    target = cache.with_name("home")
    target.mkdir()
    (target / "thesis.tex").write_text("precious")

    code, out, err = command.run(cache, "download", f"{hub.url}/acme/net/1", "--to", target, *force)

    assert (code, out) == (1, "")
    assert "is no empty folder" in err
    assert command.files(target) == {"thesis.tex": b"precious"}


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_download_replaces_no_model_among_other_files(hub: EmbeddedHub, cache: Path, dry: tuple[str, ...]) -> None:
    target = cache.with_name("project")
    command.run(cache, "download", f"{hub.url}/acme/net/1", "--to", target)
    sample.write(target, {"fingerprint.pb": b"", "train.py": b"precious", ".git/config": b"precious"})
    before = command.files(target)

    code, out, err = command.run(cache, "download", f"{hub.url}/acme/net/2", "--to", target, "--force", *dry)

    assert (code, out) == (1, "")
    assert ": .git/, train.py would be deleted with it." in err
    assert command.files(target) == before


def test_download_replaces_no_model_when_another_file_comes_meanwhile(cache: Path) -> None:
    target = sample.write(cache.with_name("project"))

    def downloaded(_: Request) -> Answer:
        (target / "train.py").write_text("precious")
        return Answer(sample.archive())

    with MisbehavingServer(Answer(sample.archive()), downloaded) as server:
        code, _, err = command.run(cache, "download", f"{server.url}/acme/net/1", "--to", target, "--force")

    assert (code, len(server.requests)) == (1, 2)
    assert ": train.py would be deleted with it." in err
    assert command.files(target) == {**sample.FILES, "train.py": b"precious"}


def test_download_lists_some_of_many_other_files(hub: EmbeddedHub, cache: Path) -> None:
    target = sample.write(
        cache.with_name("data"), {**sample.FILES, **{f"{number:03}.jpg": b"" for number in range(30)}}
    )

    _, _, err = command.run(cache, "download", f"{hub.url}/acme/net/2", "--to", target, "--force")

    assert ": 000.jpg, 001.jpg, 002.jpg, 003.jpg, 004.jpg, 005.jpg, 006.jpg, 007.jpg and 22 more would be" in err


def test_download_replaces_all_that_exporters_write(hub: EmbeddedHub, models: Path, cache: Path) -> None:
    names = ("fingerprint.pb", "keras_metadata.pb", "assets.extra/warm", "debug/saved_model_debug_info.pb")
    target = sample.write(cache.with_name("model"), {**sample.FILES, **dict.fromkeys(names, b"")})

    assert command.run(cache, "download", f"{hub.url}/acme/net/2", "--to", target, "--force")[0] == 0

    assert command.files(target) == command.files(models / "acme/net/2")


def test_download_fills_an_empty_folder_that_others_use(hub: EmbeddedHub, models: Path, cache: Path) -> None:
    target = cache.with_name("mounted")
    target.mkdir()
    inode = target.stat().st_ino

    assert command.run(cache, "download", f"{hub.url}/acme/net/1", "--to", target)[0] == 0

    assert target.stat().st_ino == inode
    assert command.files(target) == command.files(models / "acme/net/1")
    assert {path.name for path in target.iterdir()} == {"assets", "saved_model.pb", "variables"}


def test_download_fetches_nothing_when_one_of_several_does_not_exist(hub: EmbeddedHub, cache: Path) -> None:
    handles = [f"{hub.url}/acme/net/1", f"{hub.url}/acme/net/7"]

    code, out, err = command.run(cache, "download", *handles, "--to", cache.with_name("tree"))

    assert (code, out) == (1, "")
    assert "no version 7" in err
    assert not cache.with_name("tree").exists()


def test_download_leaves_nothing_when_the_archive_is_damaged(cache: Path, tmp_path: Path) -> None:
    broken = sample.archive()[:-20]
    with MisbehavingServer(Answer(broken)) as server:
        code, out, err = command.run(cache, "download", f"{server.url}/acme/net/1", "--to", tmp_path / "a" / "b")

    assert (code, out) == (1, "")
    assert "ends early" in err
    assert command.everything(tmp_path) == set()


def test_download_refuses_a_tree_when_no_version_is_known(cache: Path) -> None:
    with MisbehavingServer(Answer(sample.archive())) as server:
        code, _, err = command.run(cache, "download", f"{server.url}/acme/net", "--tree", "--to", cache.with_name("t"))

    assert code == 1
    assert "does not say which publisher, model and version" in err
    assert "--tree" in err


def test_download_refuses_two_models_in_one_place(hub: EmbeddedHub, models: Path, cache: Path) -> None:
    with EmbeddedHub(models) as other:
        handles = [f"{hub.url}/acme/net/1", f"{other.url}/acme/net/1"]
        code, _, err = command.run(cache, "download", *handles, "--to", cache.with_name("tree"))

    assert code == 1
    assert "would both be in" in err


@pytest.mark.parametrize("handle", ["hdfs://host/model", "./model"])
def test_download_refuses_what_is_on_no_server(cache: Path, handle: str) -> None:
    code, _, err = command.run(cache, "download", handle, "--to", cache.with_name("m"))

    assert code == 1
    assert "no URL from which a model can be downloaded" in err


def test_download_says_so_when_the_folder_cannot_be_written(hub: EmbeddedHub, cache: Path) -> None:
    file = cache.with_name("file")
    file.write_text("")

    code, _, err = command.run(cache, "download", f"{hub.url}/acme/net/1", "--to", file / "model")

    assert code == 1
    assert f"'{file}/model' cannot be written" in err


def test_download_needs_no_cache_folder_that_is_not_here(hub: EmbeddedHub, models: Path, tmp_path: Path) -> None:
    target = tmp_path / "model"

    code, out, _ = command.run(
        tmp_path / "own",
        *("download", f"{hub.url}/acme/net/1", "--to", target),
        TFHUB_CACHE_DIR="gs://bucket/cache",
        XDG_CACHE_HOME=str(tmp_path),
    )

    assert (code, out) == (0, f"{target}\n")
    assert command.files(target) == command.files(models / "acme/net/1")
