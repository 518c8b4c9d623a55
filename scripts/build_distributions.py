"""Builds the wheel and the sdist into dist/, and tries them as those will who install them. `make dist` runs it.

Usage: python scripts/build_distributions.py --test-python PYTHON, in an environment with hatchling and twine; PYTHON is
one that can run the tests that need no TensorFlow.

Both are built twice: from this folder, and from the unpacked sdist in another folder, time zone and umask. The bytes
have to be the same. Their time is SOURCE_DATE_EPOCH, else that of the last commit, else that of the sdist itself.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = "rehub/face-features/1"
RESOLVE = f"""
import sys, tempfile
import rehub
from rehub.demo.run import HUB_FOLDER
from rehub.server.embedded import EmbeddedHub
with EmbeddedHub(HUB_FOLDER) as hub, rehub.settings(cache_dir=tempfile.mkdtemp(dir=sys.argv[1])):
    print(rehub.resolve(f"{{hub.url}}/{MODEL}"))
"""
IMPORT_RUNS = 9
# What docs/install.md promises of a plain install.
MOST_PACKAGES = 16
MOST_MB = 20
# Few and quick: whether the sdist has what it takes to test and build, not whether the code is right.
SDIST_TESTS = ("tests/test_packaging.py", "tests/test_versions.py", "tests/test_handle.py")


class ReleaseError(Exception):
    """The distributions are not what they should be."""


def main() -> None:
    """Builds, checks, and moves both files into dist/ when all checks have passed."""
    parser = argparse.ArgumentParser(description="Build the wheel and the sdist, and check them.")
    parser.add_argument("--test-python", required=True, help="a Python with what the tests without TensorFlow need")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="rehub-dist-") as folder:
            _build_and_check(Path(folder), options.test_python)
    except ReleaseError as error:
        sys.exit(f"rehub: {error}")


def _build_and_check(scratch: Path, test_python: str) -> None:
    epoch = _source_date_epoch()
    _say("source", f"{_commit()}, SOURCE_DATE_EPOCH={epoch}")
    wheel, sdist = _build(ROOT, scratch / "first", epoch, timezone="UTC", umask=0o022)
    unpacked = _unpack(sdist, scratch / "unpacked")
    for first, second in zip(
        (wheel, sdist), _build(unpacked, scratch / "second", epoch, timezone="Asia/Kolkata", umask=0o077), strict=True
    ):
        _require_same_bytes(first, second)
    _say("reproducible", "the same bytes from this folder and from the unpacked sdist")
    _run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    _say("twine check", "passed, strict")
    _check_contents(wheel)
    _try_wheel(wheel, scratch)
    _try_sdist(unpacked, test_python)
    (ROOT / "dist").mkdir(exist_ok=True)
    for file in (wheel, sdist):
        partial = ROOT / "dist" / f".{file.name}.partial"
        shutil.copyfile(file, partial)
        partial.replace(ROOT / "dist" / file.name)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        _say("written", f"dist/{file.name}, {file.stat().st_size / 1e6:.2f} MB, sha256 {digest}")


def _source_date_epoch() -> str:
    # An sdist gives all of its files the time that it was built with.
    return (
        os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or _modified(ROOT / "pyproject.toml")
    )


def _modified(file: Path) -> str:
    return str(int(file.stat().st_mtime))


def _commit() -> str:
    commit = _git("rev-parse", "--short", "HEAD")
    if not commit:
        return "a folder without git"
    return f"commit {commit}" + (" with uncommitted changes" if _git("status", "--porcelain") else "")


def _git(*arguments: str) -> str:
    if not (ROOT / ".git").exists():
        return ""
    return _run("git", "-C", ROOT, *arguments).strip()


def _build(source: Path, target: Path, epoch: str, *, timezone: str, umask: int) -> tuple[Path, Path]:
    """Returns the wheel and the sdist."""
    changes = {"SOURCE_DATE_EPOCH": epoch, "TZ": timezone}
    _run(sys.executable, "-m", "hatchling", "build", "-d", target, cwd=source, umask=umask, **changes)
    return next(target.glob("*.whl")), next(target.glob("*.tar.gz"))


def _unpack(sdist: Path, target: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(target, filter="data")
    return target / sdist.name.removesuffix(".tar.gz")


def _require_same_bytes(first: Path, second: Path) -> None:
    if first.read_bytes() == second.read_bytes():
        return
    names = [_contents(file) for file in (first, second)]
    differing = sorted(name for name in names[0].keys() | names[1].keys() if names[0].get(name) != names[1].get(name))
    what = ", ".join(differing[:10]) or "only their headers"
    raise ReleaseError(
        f"two builds of '{first.name}' differ in {what}. A build must depend on the files of the sdist alone."
    )


def _contents(file: Path) -> dict[str, bytes]:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(file) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}  # type: ignore[union-attr]


def _check_contents(wheel: Path) -> None:
    files = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*") if path.is_file()}
    wanted = {name for name in files if "__pycache__" not in name}
    with zipfile.ZipFile(wheel) as archive:
        present = {name for name in archive.namelist() if ".dist-info/" not in name}
    if wanted != present:
        raise ReleaseError(
            f"'{wheel.name}' lacks {sorted(wanted - present)} and has {sorted(present - wanted)} too much. "
            "Look at [tool.hatch.build.targets.wheel] in pyproject.toml."
        )
    _say("wheel", f"all {len(wanted)} files of src/rehub, {wheel.stat().st_size / 1e6:.2f} MB")


def _try_wheel(wheel: Path, scratch: Path) -> None:
    """Installs the wheel where nothing else is, and does what needs no TensorFlow."""
    environment = scratch / "bare"
    _run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    empty_mb, tools = _size_mb(environment), _installed(environment)
    _install(python, str(wheel))
    packages = sorted(_installed(environment) - tools)
    if heavy := [name for name in packages if name.startswith(("tensorflow", "keras", "numpy"))]:
        raise ReleaseError(f"a plain install brings {', '.join(heavy)}. These belong into an extra.")
    own = _size_mb(next(environment.glob("lib/python*/site-packages/rehub")))
    brought_mb = _size_mb(environment) - empty_mb
    _say("bare install", f"{len(packages)} packages, {brought_mb:.1f} MB, of which rehub {own:.1f} MB")
    if len(packages) > MOST_PACKAGES or brought_mb > MOST_MB:
        raise ReleaseError(
            f"a plain install brings more than {MOST_PACKAGES} packages or {MOST_MB} MB: {', '.join(packages)}. "
            "Move what few need into an extra, or change docs/install.md."
        )
    bare, with_rehub = _start_ms(python, "pass"), _start_ms(python, "import rehub")
    _say("import rehub", f"{with_rehub - bare:.0f} ms beside {bare:.0f} ms for Python, median of {IMPORT_RUNS}")
    command = python.with_name("rehub")
    home = {"HOME": str(scratch), "XDG_CACHE_HOME": str(scratch / "cache")}
    _say("rehub --version", _run(command, "--version", cwd=scratch).strip())
    _run(command, "doctor", cwd=scratch, **home)
    _say("rehub doctor", "found no error")
    _install(python, f"{wheel}[server]")
    folder = Path(_run(python, "-c", RESOLVE, scratch, cwd=scratch, **home).strip())
    if not (folder / "saved_model.pb").is_file():
        raise ReleaseError(f"the installed wheel resolved a model of its own hub to '{folder}', where none is.")
    _say("rehub[server]", f"resolved {MODEL} from an EmbeddedHub")


def _install(python: Path, requirement: str) -> None:
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement)


def _installed(environment: Path) -> set[str]:
    return {path.name for path in environment.glob("lib/python*/site-packages/*.dist-info")}


def _size_mb(folder: Path) -> float:
    """Of the files without compiled Python, which pip writes beside them."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc") / 1e6


def _start_ms(python: Path, code: str) -> float:
    times = []
    for _ in range(IMPORT_RUNS):
        began = time.perf_counter()
        _run(python, "-c", code)
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


def _try_sdist(unpacked: Path, test_python: str) -> None:
    """Runs tests that the sdist holds, on the code that it holds."""
    command = (test_python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SDIST_TESTS)
    output = _run(*command, cwd=unpacked, PYTHONPATH=str(unpacked / "src"))
    _say("sdist's tests", output.strip().splitlines()[-1])


def _run(*command: str | Path, cwd: Path | None = None, umask: int = -1, **changes: str) -> str:
    # Without PYTHONPATH, which would let the source folder stand in for what is tried.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | changes
    text = [str(part) for part in command]
    done = subprocess.run(  # noqa: S603 - commands of this file
        text, capture_output=True, text=True, cwd=cwd, umask=umask, env=environment, timeout=600, check=False
    )
    if done.returncode:
        raise ReleaseError(f"`{' '.join(text)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def _say(what: str, result: str) -> None:
    print(f"{what:<16} {result}", flush=True)


if __name__ == "__main__":
    main()
