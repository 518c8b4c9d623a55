"""What honest tools pack is never refused."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from rehub.archive.reading import unpack
from tests import sample
from tests.hostile.tar_bytes import END, base_256, folder, member, pax, zipped

FILES = {
    "saved_model.pb": sample.SAVED_MODEL,
    "assets/words.txt": b"hello\n",
    "assets/W\u00f6rter.txt": b"",
    "variables/variables.data-00000-of-00001": bytes(range(256)) * 300,
}
LONG_NAME = "assets/" + "/".join(["n" * 60] * 4)
GNU = "GNU tar" in subprocess.run(["tar", "--version"], capture_output=True, text=True, check=False).stdout


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return sample.write(tmp_path / "model", FILES)


def unpacked(archive: bytes, tmp_path: Path) -> dict[str, bytes]:
    out = tmp_path / "out"
    out.mkdir()
    facts = unpack(io.BytesIO(archive), out)
    found = sample.read(out)
    assert {name: size for name, (size, _) in facts.files.items()} == {name: len(data) for name, data in found.items()}
    return found


def run(*command: str, folder: Path) -> bytes:
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"] if GNU else ["ustar", "pax"])
@pytest.mark.parametrize("what", [["."], ["./saved_model.pb", "./assets", "variables"]])
@pytest.mark.parametrize("zipper", ["", "z"])
def test_unpack_takes_what_tar_makes(tmp_path: Path, model: Path, form: str, what: list[str], zipper: str) -> None:
    if form not in ("v7", "ustar"):
        sample.write(model, {LONG_NAME: b"x"})
    archive = run("tar", f"--format={form}", f"-c{zipper}f", "-", *what, folder=model)
    assert unpacked(archive, tmp_path) == sample.read(model)


@pytest.mark.parametrize(
    "option", ["-b1", "-b512", "--numeric-owner", "--xattrs", "--sort=name", "--owner=a:1"] if GNU else []
)
def test_unpack_takes_what_tar_makes_with_an_option(tmp_path: Path, model: Path, option: str) -> None:
    archive = run("tar", "--format=posix", option, "-cf", "-", ".", folder=model)
    assert unpacked(archive, tmp_path) == FILES


def test_unpack_takes_what_tar_appended(tmp_path: Path, model: Path) -> None:
    target = tmp_path / "m.tar"
    run("tar", "-cf", str(target), "./assets", folder=model)
    run("tar", "-rf", str(target), "./saved_model.pb", "./variables", folder=model)
    assert unpacked(target.read_bytes(), tmp_path) == FILES


@pytest.mark.parametrize("program", [tool for tool in ("bsdtar", "busybox", "pigz", "gzip") if shutil.which(tool)])
def test_unpack_takes_what_other_tools_make(tmp_path: Path, model: Path, program: str) -> None:
    if program in ("bsdtar", "busybox"):
        command = ["bsdtar"] if program == "bsdtar" else ["busybox", "tar"]
        archive = run(*command, "-czf", "-", ".", folder=model)
    else:
        (tmp_path / "m.tar").write_bytes(run("tar", "-cf", "-", ".", folder=model))
        archive = run(program, "-9", "-c", "m.tar", folder=tmp_path)
    assert unpacked(archive, tmp_path) == FILES


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w|gz"])
def test_unpack_takes_what_python_makes(tmp_path: Path, model: Path, form: int, mode: str) -> None:
    out = io.BytesIO()
    os.utime(model / "saved_model.pb", (1.5, 1.5))  # a fraction of a second goes into a header of its own
    with tarfile.open(fileobj=out, mode=mode, format=form) as tar:
        tar.add(model, arcname="")
    assert unpacked(out.getvalue(), tmp_path) == FILES


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(member(b"d/", kind=b"\0") + member(b"d/x", b"1", kind=b"\0", magic=bytes(8)), id="tar of 1979"),
        pytest.param(folder(b"d") + folder(b"./d/") + member(b"d//x", b"1") + folder(b"d/"), id="a folder again"),
        pytest.param(member(b"d/x", b"1", size=base_256(1)), id="binary size"),
        pytest.param(member(b"d/x", b"1", size=b"         1  "), id="size with spaces"),
        pytest.param(member(b"x", b"1", prefix=b"./d"), id="prefix"),
        pytest.param(member(b"d/x", b"1", kind=b"7"), id="contiguous file"),
        pytest.param(member(b"d/", kind=b"5", size=4096) + member(b"d/x", b"1"), id="a folder with a size"),
        pytest.param(pax((b"size", b"1")) + member(b"d/x", b"1", size=0), id="size of pax"),
        pytest.param(pax((b"comment", b"abc"), kind=b"g") + member(b"d/x", b"1"), id="git archive"),
        pytest.param(
            pax((b"LIBARCHIVE.xattr.com.apple.quarantine", b"x" * 70_000), (b"mtime", b"1.5")) + member(b"d/x", b"1"),
            id="what a Mac knows",
        ),
        pytest.param(pax((b"path", b"d/x")) + member(b"@PaxHeader", b"1"), id="name of pax"),
        pytest.param(member(b"d/x", b"1") + END + bytes(1 << 20), id="padded to a tape's record"),
    ],
)
@pytest.mark.parametrize("is_zipped", [True, False])
def test_unpack_takes_old_and_rare_headers(tmp_path: Path, archive: bytes, is_zipped: bool) -> None:
    archive = archive if archive.endswith(END) else archive + END
    assert unpacked(zipped(archive) if is_zipped else archive, tmp_path) == {"d/x": b"1"}


def test_unpack_takes_gzip_in_blocks_with_padding(tmp_path: Path) -> None:
    data = sample.tar(FILES)
    blocks = [gzip.compress(data[start : start + 5000]) for start in range(0, len(data), 5000)]
    assert unpacked(b"".join(blocks) + gzip.compress(b"") + bytes(9000), tmp_path) == FILES


def test_unpack_takes_a_model_of_zeros(tmp_path: Path) -> None:
    files = {"variables/variables.data-00000-of-00001": bytes(8 << 20)}
    archive = sample.archive(files)
    assert len(archive) < 10_000
    assert unpacked(archive, tmp_path) == files
