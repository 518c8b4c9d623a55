"""``rehub cache export`` and ``rehub cache import``."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub
from tests import sample
from tests.cli import command


@pytest.fixture
def net(hub: EmbeddedHub, cache: Path) -> str:
    """Fills the cache with both versions, one of them as the newest; returns the unversioned handle."""
    handle = f"{hub.url}/acme/net"
    assert command.call(cache, "resolve", handle, f"{handle}/1")[0] == 0
    return handle


@pytest.fixture
def bundle(cache: Path) -> Path:
    return cache.with_name("models.tar")


@pytest.fixture
def other(cache: Path) -> Path:
    """The cache of a machine without a network."""
    return cache.with_name("other")


def test_import_brings_models_to_a_machine_without_a_network(net: str, cache: Path, bundle: Path, other: Path) -> None:
    code, out, err = command.call(cache, "cache", "export", bundle)
    assert (code, out) == (0, "")
    assert "Exported 2 models (120 kB)." in err

    code, out, err = command.call(other, "cache", "import", bundle)

    assert (code, out) == (0, f"added  {net}/1\nadded  {net}/2\n")
    assert "Imported 2 models, 0 there already." in err
    paths = command.call(other, "resolve", net, f"{net}/1", REHUB_OFFLINE="1")[1].split()
    assert [(Path(path) / "assets/words.txt").read_text() for path in paths] == ["2", "1"]
    assert command.call(other, "cache", "verify")[0] == 0
    assert command.call(other, "cache", "import", bundle)[1] == f"kept   {net}/1\nkept   {net}/2\n"


def test_export_goes_through_a_pipe(net: str, cache: Path, other: Path) -> None:
    with command.start(cache, "cache", "export", "-", f"{net}/1") as exporting:
        assert exporting.stdout is not None
        done = subprocess.run(
            [sys.executable, "-m", "rehub", "cache", "import", "-"],
            stdin=exporting.stdout,
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": "", "TFHUB_CACHE_DIR": str(other), "PYTHONPATH": ":".join(sys.path)},
        )

    assert (done.returncode, done.stdout) == (0, f"added  {net}/1\n")
    assert sample.read(next(other.glob("*/acme/net/1"))) == sample.read(next(cache.glob("*/acme/net/1")))


def test_export_leaves_out_what_is_not_whole(net: str, cache: Path, bundle: Path) -> None:
    next(cache.glob("*/acme/net/1/saved_model.pb")).unlink()

    code, _, err = command.call(cache, "cache", "export", bundle)

    assert code == 1
    assert f"{net}/1 is left out: saved_model.pb: missing." in err
    assert "Exported 1 model " in err


def test_export_writes_no_file_when_a_model_is_damaged(net: str, cache: Path, bundle: Path) -> None:
    next(cache.glob("*/acme/net/1/saved_model.pb")).write_bytes(bytes(4))
    before = command.everything(cache.parent)

    code, _, err = command.call(cache, "cache", "export", bundle)

    assert (code, f"rehub cache verify --repair {net}/1" in err) == (1, True)
    assert command.everything(cache.parent) == before


def test_export_replaces_no_file(net: str, cache: Path, bundle: Path) -> None:
    bundle.write_text("precious")

    code, _, err = command.call(cache, "cache", "export", bundle)

    assert (code, "exists" in err, bundle.read_text()) == (1, True, "precious")


def test_import_tells_of_other_files_by_the_same_handle(
    hub: EmbeddedHub, models: Path, net: str, cache: Path, bundle: Path, other: Path
) -> None:
    command.call(cache, "cache", "export", bundle)
    (models / "acme/net/1/assets/words.txt").write_text("replaced")
    command.call(other, "resolve", f"{net}/1")

    code, out, err = command.call(other, "cache", "import", bundle)

    assert (code, out) == (0, f"kept   {net}/1\nadded  {net}/2\n")
    assert f"{net}/1: the cache has other files by this handle" in err


def test_import_takes_only_what_is_in_the_lock_file(net: str, cache: Path, bundle: Path, other: Path) -> None:
    file = cache.with_name("rehub.lock")
    command.call(cache, "lock", file, f"{net}/1")
    command.call(cache, "cache", "export", bundle)

    code, out, err = command.call(other, "cache", "import", bundle, REHUB_LOCKFILE=str(file))

    assert (code, out) == (1, f"added  {net}/1\n")
    assert f"{net}/2 is not in the lock file" in err
    text = file.read_text()
    start = text.index('"sha256": "') + len('"sha256": "')
    file.write_text(text[:start] + "0123456789abcdef" * 4 + text[start + 64 :])
    code, _, err = command.call(cache.with_name("third"), "cache", "import", bundle, REHUB_LOCKFILE=str(file))
    assert (code, "pinned is 0123456789abcdef" in err) == (1, True)


def test_import_refuses_what_is_no_bundle(cache: Path, bundle: Path) -> None:
    bundle.write_bytes(sample.tar())

    code, out, err = command.call(cache, "cache", "import", bundle)

    assert (code, out) == (1, "")
    assert "is none of 'rehub cache export'" in err
    assert "export it again" in err
    assert not cache.exists()


def test_import_says_that_a_compressed_bundle_has_to_be_unpacked(net: str, cache: Path, bundle: Path) -> None:
    command.call(cache, "cache", "export", bundle)
    bundle.write_bytes(gzip.compress(bundle.read_bytes()))

    code, out, err = command.call(cache, "cache", "import", bundle)

    assert (code, out) == (1, "")
    assert "hint: Run: gunzip -c" in err
