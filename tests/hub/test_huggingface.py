"""Models of the Hugging Face Hub, by its own client, from a server on this machine."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import constants

import rehub
from rehub.archive.fingerprint import fingerprint, measure
from rehub.cache.resolved import record_of
from rehub.cli.main import rehub as command
from rehub.errors import (
    AccessError,
    ChecksumError,
    FormatError,
    NotFoundError,
    OfflineError,
    PolicyError,
    TransferError,
)
from tests import sample
from tests.hub.huggingface import SIGNATURE, HuggingFace, Repository

HANDLE = "hf://acme/net"
SECRET = "hf_a-secret-token"


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a login, and a client that was never used."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "theirs"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)  # which asks huggingface.co itself
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def hub() -> Iterator[HuggingFace]:
    """The Hub, with one model; a mirror of huggingface.co by a setting."""
    with HuggingFace().running() as hub, rehub.settings(mirrors={"https://huggingface.co": hub.url}, retries=1):
        hub.repositories["acme/net"] = Repository()
        hub.repositories["acme/net"].push(sample.FILES)
        yield hub


@pytest.fixture
def net(hub: HuggingFace) -> Repository:
    return hub.repositories["acme/net"]


def test_resolve_gets_the_files_of_a_branch_into_the_cache(hub: HuggingFace, net: Repository, tmp_path: Path) -> None:
    path = rehub.resolve(HANDLE)

    commit = net.refs["main"]
    assert path == str(tmp_path / "cache" / "hf" / "acme" / "net" / commit)
    assert sample.read(path) == sample.FILES
    record = record_of(path)
    assert record is not None
    assert record.location == f"{HANDLE}@{commit}"
    assert record.url == f"{hub.url}/acme/net/tree/{commit}"
    assert record.archive_sha256 == fingerprint(measure(Path(path)))
    assert not (tmp_path / "theirs").exists()
    assert [each.name for each in (tmp_path / "cache" / ".staging").iterdir()] == []


def test_resolve_asks_no_more_for_what_is_there(hub: HuggingFace, net: Repository) -> None:
    path = rehub.resolve(HANDLE)
    hub.requests.clear()
    assert rehub.resolve(HANDLE) == rehub.resolve(f"{HANDLE}@main") == path
    assert rehub.resolve(f"{HANDLE}@{net.refs['main']}") == path
    with rehub.settings(offline=True, unversioned_ttl_s=0):
        assert rehub.resolve(HANDLE) == path
    assert hub.requests == []


def test_resolve_offline_opens_no_connection(hub: HuggingFace) -> None:
    with rehub.settings(offline=True), pytest.raises(OfflineError, match="REHUB_OFFLINE"):
        rehub.resolve(HANDLE)
    assert hub.requests == []


def test_resolve_asks_again_what_a_branch_stands_for_and_fetches_only_what_is_new(
    hub: HuggingFace, net: Repository
) -> None:
    old = rehub.resolve(HANDLE)
    with rehub.settings(unversioned_ttl_s=0):
        hub.requests.clear()
        assert rehub.resolve(HANDLE) == old
        assert [request.partition("?")[0] for request in hub.requests] == ["GET /api/models/acme/net/revision/main"]
        net.push({**sample.FILES, "version": b"2"})
        new = rehub.resolve(HANDLE)
    assert sample.read(new)["version"] == b"2"
    assert sample.read(old) == sample.FILES


def test_resolve_uses_what_is_there_when_the_hub_fails(hub: HuggingFace) -> None:
    path = rehub.resolve(HANDLE)
    hub.status = 404
    with rehub.settings(unversioned_ttl_s=0), pytest.raises(NotFoundError):
        rehub.resolve(HANDLE)
    hub.status = 418
    with rehub.settings(unversioned_ttl_s=0), pytest.warns(UserWarning, match="may not be the newest"):
        assert rehub.resolve(HANDLE) == path


def test_resolve_gets_another_revision(net: Repository) -> None:
    net.push({**sample.FILES, "version": b"dev"}, "dev/new")
    assert sample.read(rehub.resolve(f"{HANDLE}@dev%2Fnew"))["version"] == b"dev"
    assert sample.read(rehub.resolve(HANDLE)) == sample.FILES


def test_resolve_gets_a_folder_alone(hub: HuggingFace, net: Repository) -> None:
    inner = {f"saved_model/1/{name}": data for name, data in sample.FILES.items()}
    net.push({**inner, "model.safetensors": b"x" * 20_000, "README.md": b"# Net"})
    path = rehub.resolve(f"{HANDLE}/saved_model/1")

    assert sample.read(path) == sample.FILES
    assert not [request for request in hub.asked("/resolve/") if "saved_model/1" not in request]
    assert len(hub.asked("/storage/")) == 1


def test_resolve_leaves_weights_for_other_libraries_where_they_are(hub: HuggingFace, net: Repository) -> None:
    others = {"pytorch_model.bin": b"x" * 20_000, ".gitattributes": b"*", "variables/x.bin": b"own"}
    net.push({**sample.FILES, **others, "README.md": b"# Net"})
    found = sample.read(rehub.resolve(HANDLE))

    assert found == {**sample.FILES, "README.md": b"# Net", "variables/x.bin": b"own"}
    assert not hub.asked("pytorch_model")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"model.keras": b"PK", "README.md": b"#"}, r"holds a Keras model \(model.keras\).*keras.saving.load_model"),
        ({"config.json": b"{}", "model.safetensors": b"x"}, r"weights without a graph.*its card"),
        (
            {"a/1/saved_model.pb": b"", "a/12/saved_model.pb": b""},
            r"models in folders \(a/1, a/12\).*hf://acme/net.*/a/12",
        ),
        ({"m.tar.gz": b"x"}, r"https://huggingface.co/acme/net/resolve/.*/m.tar.gz"),
        ({"words.txt": b"x"}, r"it holds words.txt"),
    ],
)
def test_resolve_says_what_a_repository_holds_instead_and_fetches_nothing(
    hub: HuggingFace, net: Repository, files: dict[str, bytes], said: str
) -> None:
    net.push(files)
    with pytest.raises(FormatError, match=f"^{HANDLE} is no TensorFlow model: .*{said}"):
        rehub.resolve(HANDLE)
    assert not hub.asked("/resolve/")


def test_resolve_refuses_a_model_of_which_a_file_is_missing(net: Repository, tmp_path: Path) -> None:
    model = sample.read(Path(__file__).parents[1] / "data" / "saved_models" / "module")
    index = next(name for name in model if name.endswith(".index"))
    net.push({name: data for name, data in model.items() if name != index})
    with pytest.raises(FormatError, match="lacks variables/variables"):
        rehub.resolve(HANDLE)
    assert not (tmp_path / "cache" / "hf").exists()


@pytest.mark.parametrize("name", ["assets/words.txt", "variables/variables.data-00000-of-00001"])
def test_resolve_refuses_bytes_that_are_not_what_the_hub_lists(hub: HuggingFace, name: str, tmp_path: Path) -> None:
    hub.broken.add(name)
    with pytest.raises(ChecksumError, match=name):
        rehub.resolve(HANDLE)
    assert not (tmp_path / "cache" / "hf").exists()


def test_resolve_goes_on_when_a_connection_breaks(hub: HuggingFace) -> None:
    hub.cut["variables/variables.data-00000-of-00001"] = 1
    assert sample.read(rehub.resolve(HANDLE)) == sample.FILES


def test_resolve_goes_on_where_a_download_was_interrupted(hub: HuggingFace) -> None:
    large = len(sample.FILES["variables/variables.data-00000-of-00001"])

    def interrupt(what: str, done_bytes: int, total_bytes: int | None) -> None:
        if done_bytes > large:
            raise KeyboardInterrupt

    with rehub.settings(progress=interrupt, connections=1), pytest.raises(KeyboardInterrupt):
        rehub.resolve(HANDLE)
    assert sample.read(rehub.resolve(HANDLE)) == sample.FILES
    assert len([request for request in hub.asked("/storage/") if request.startswith("GET")]) == 1


def test_resolve_copies_what_the_cache_of_the_client_has(hub: HuggingFace, net: Repository) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download("acme/net", endpoint=hub.url, cache_dir=constants.HF_HUB_CACHE)
    count = len(hub.asked("/storage/"))
    assert sample.read(rehub.resolve(HANDLE)) == sample.FILES
    assert len(hub.asked("/storage/")) == count


def test_resolve_checks_a_pin(hub: HuggingFace) -> None:
    pin = fingerprint(measure(Path(rehub.resolve(HANDLE))))
    hub.requests.clear()
    with rehub.settings(unversioned_ttl_s=0):
        rehub.resolve(f"{HANDLE}#sha256={pin}")
        assert hub.requests == []
        with pytest.raises(ChecksumError):
            rehub.resolve(f"{HANDLE}#sha256={'0' * 64}")


def test_resolve_tells_how_much_has_come(hub: HuggingFace) -> None:
    seen: list[tuple[str, int, int | None]] = []
    with rehub.settings(progress=lambda *facts: seen.append(facts)):
        rehub.resolve(HANDLE)
    size_bytes = sum(map(len, sample.FILES.values()))
    assert {(what.partition("@")[0], total) for what, _, total in seen} == {(HANDLE, size_bytes)}
    assert seen[-1][1] == size_bytes


def test_resolve_names_the_revisions_when_one_is_missing(net: Repository) -> None:
    with pytest.raises(NotFoundError, match=r"no revision 'v9'; there are main") as caught:
        rehub.resolve(f"{HANDLE}@v9")
    assert caught.value.versions == ("main",)


def test_resolve_names_the_folder_when_it_is_missing(hub: HuggingFace) -> None:
    with pytest.raises(NotFoundError, match="no folder 'none'"):
        rehub.resolve(f"{HANDLE}/none")


def test_resolve_says_that_a_repository_is_not_there_or_private(hub: HuggingFace) -> None:
    with pytest.raises(NotFoundError, match=r"no repository acme/none .*without a login.*hf auth login"):
        rehub.resolve("hf://acme/none")


def test_resolve_says_where_terms_are_accepted(net: Repository) -> None:
    net.gated = True
    with pytest.raises(AccessError, match=r"Open https://huggingface.co/acme/net, log in and accept"):
        rehub.resolve(HANDLE)


@pytest.mark.parametrize("status", [418, 429])
def test_resolve_says_what_status_the_hub_answers_with(hub: HuggingFace, status: int) -> None:
    hub.status = status
    with pytest.raises(TransferError, match=f"status {status}"):
        rehub.resolve(HANDLE)


def test_resolve_uses_the_login_of_the_client_and_keeps_it_secret(
    hub: HuggingFace,
    net: Repository,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    net.token = SECRET
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with rehub.settings(mirrors={}):
        with pytest.raises(NotFoundError, match="without a login"):
            rehub.resolve(HANDLE)
        monkeypatch.setenv("HF_TOKEN", SECRET)
        assert sample.read(rehub.resolve(HANDLE)) == sample.FILES
        net.token = "another"
        with pytest.raises(NotFoundError, match="with the login of huggingface_hub") as caught:
            rehub.resolve(f"{HANDLE}@dev")
    notes = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*.json")).decode() + str(caught.value)
    logged = "".join(line.getMessage() for line in caplog.records if line.name.startswith(("rehub", "huggingface")))
    is_leaked = SECRET in caplog.text + notes or SIGNATURE in logged + notes
    assert not is_leaked


def test_resolve_sends_a_mirror_only_the_token_that_is_for_it(
    hub: HuggingFace, net: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "of-hugging-face")
    net.token = SECRET
    with pytest.raises(NotFoundError, match="without a login"):
        rehub.resolve(HANDLE)
    assert set(hub.tokens) == {""}
    with rehub.settings(token=SECRET, token_host=hub.url):
        assert sample.read(rehub.resolve(HANDLE)) == sample.FILES
    assert set(hub.tokens) == {"", f"Bearer {SECRET}"}


def test_resolve_obeys_the_lock_file(hub: HuggingFace, net: Repository, tmp_path: Path) -> None:
    lock = tmp_path / "rehub.lock"
    _run("lock", str(lock), HANDLE)
    locked = rehub.resolve(HANDLE)
    net.push({**sample.FILES, "version": b"2"})
    with rehub.settings(lockfile=str(lock), unversioned_ttl_s=0, cache_dir=str(tmp_path / "other")):
        assert sample.read(rehub.resolve(HANDLE)) == sample.read(locked)
        with pytest.raises(PolicyError, match="not in the lock file"):
            rehub.resolve("hf://acme/other")


@pytest.mark.parametrize("handle", [HANDLE, f"{HANDLE}@main/"])
def test_stock_has_what_the_lock_file_names(hub: HuggingFace, handle: str, tmp_path: Path) -> None:
    lock, stock = tmp_path / "rehub.lock", tmp_path / "stock"
    _run("lock", str(lock), handle)
    _run("download", "--from-lock", str(lock), "--to", str(stock))
    with rehub.settings(cache_dir=str(stock), lockfile=str(lock), offline=True):
        assert sample.read(rehub.resolve(HANDLE)) == sample.FILES


def test_verify_repairs_a_damaged_file(hub: HuggingFace) -> None:
    path = Path(rehub.resolve(HANDLE))
    (path / "assets/words.txt").write_bytes(b"hello\nwOrld\n")
    _run("cache", "verify", "--repair", HANDLE)
    assert sample.read(path) == sample.FILES


def test_commands_work_with_the_handle(hub: HuggingFace, net: Repository, tmp_path: Path) -> None:
    fixed = f"{HANDLE}@{net.refs['main']}"
    assert _run("resolve", HANDLE).strip() == str(tmp_path / "cache" / "hf" / "acme" / "net" / net.refs["main"])
    assert str(tmp_path / "cache") in _run("inspect", HANDLE)
    assert re.search(r"sent as +files, 60.0 kB", _run("cache", "show", HANDLE))
    _run("cache", "export", str(tmp_path / "models.tar"), HANDLE)
    assert _run("cache", "remove", "--yes", HANDLE).strip() == fixed
    _run("cache", "import", str(tmp_path / "models.tar"))
    hub.requests.clear()
    _run("download", "--to", str(tmp_path / "copy"), fixed)
    assert sample.read(tmp_path / "copy") == sample.FILES
    assert hub.requests == []


def _run(*arguments: str) -> str:
    """Runs a command in this process, and returns what it prints."""
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_resolve_command_finds_the_hub_by_the_variable_of_the_client(hub: HuggingFace, tmp_path: Path) -> None:
    own = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(tmp_path / "home")}
    own |= {"TFHUB_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(Path(rehub.__file__).parents[1])}
    variables = {**os.environ, **own}
    line = [sys.executable, "-m", "rehub", "resolve", HANDLE]
    done = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert sample.read(done.stdout.strip()) == sample.FILES
