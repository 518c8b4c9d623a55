"""The built distributions; the wheel also in an environment that holds what it declares and nothing else."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import rehub

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder), cwd=ROOT)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are linked in from the one that runs this test."""
    folder = tmp_path_factory.mktemp("fresh")
    _run(sys.executable, "-m", "venv", str(folder))
    python = folder / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel))
    installed = next(folder.glob("lib/python*/site-packages"))
    for name in _declared_dependencies("rehub", _metadata(wheel).get_all("Requires-Dist") or []):
        _link(importlib.metadata.distribution(name), installed)
    return python


def _run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    # Without PYTHONPATH, which would let the source folder stand in for the wheel.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    text = [str(part) for part in command]
    done = subprocess.run(text, capture_output=True, text=True, timeout=300, cwd=cwd, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def _metadata(wheel: Path) -> importlib.metadata.PackageMetadata:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return importlib.metadata.PathDistribution(zipfile.Path(archive, str(Path(name).parent) + "/")).metadata


def _declared_dependencies(name: str, requirements: list[str]) -> set[str]:
    """The names of all that a package needs without extras, directly or not."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(requirement.name)
        waiting += importlib.metadata.distribution(requirement.name).requires or []
    return found


def _link(distribution: importlib.metadata.Distribution, folder: Path) -> None:
    for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
        (folder / top).symlink_to(str(distribution.locate_file(top)))


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_types_licences_and_the_demonstration_model(wheel: Path) -> None:
    names = _names(wheel)

    model = "rehub/demo/hub/rehub/face-features/1"
    assert {"rehub/py.typed", f"{model}/saved_model.pb", f"{model}/assets.extra/LICENSE"} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    files = {file.relative_to(ROOT / "src").as_posix() for file in (ROOT / "src").rglob("*") if file.is_file()}

    assert {name for name in files if "__pycache__" not in name} <= _names(wheel)


def test_wheel_has_the_same_bytes_when_built_from_the_sdist_elsewhere(
    wheel: Path, unpacked_sdist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    for file in unpacked_sdist.rglob("*.py"):
        file.chmod(0o600)

    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=unpacked_sdist)

    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_sdist_holds_tests_environments_and_documents(unpacked_sdist: Path) -> None:
    wanted = ["CHANGELOG.md", "LICENSE", "Makefile", "docs/settings.md", "environments/no-tf.txt", "tests/conftest.py"]
    wanted += ["notebooks/README.md", "notebooks/semantic_search.ipynb"]

    assert [name for name in wanted if not (unpacked_sdist / name).is_file()] == []


def test_sdist_holds_nothing_that_was_built_or_cached(unpacked_sdist: Path) -> None:
    junk = {"__pycache__", ".git", ".venv", "dist", ".hypothesis", ".pytest_cache"}

    assert [path for path in unpacked_sdist.rglob("*") if path.name in junk] == []


def test_command_prints_the_version_when_installed(python: Path) -> None:
    assert _run(python.with_name("rehub"), "--version").stdout.split()[-1] == rehub.__version__


def test_modules_import_with_declared_dependencies_alone(python: Path, wheel: Path) -> None:
    needs_extra = (
        "rehub/alias/site/",
        "rehub/runtime/",
        "rehub/tf1/feature_columns",
        "rehub/keras/",
        "rehub/batch/",
        "rehub/comparison/",
        "rehub/migrate/",
        "rehub/train/",
        "rehub/demo/",
        "rehub/server/",
        "rehub/__main__",
    )
    modules = sorted(
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in _names(wheel)
        if name.endswith(".py") and not name.startswith(needs_extra)
    )

    _run(python, "-c", f"import importlib\nfor name in {modules!r}: importlib.import_module(name)")


@pytest.mark.parametrize("call", ["rehub.load('/nowhere')", "rehub.KerasLayer('/nowhere')"])
def test_load_names_the_missing_dependency_when_there_is_no_tensorflow(python: Path, call: str) -> None:
    code = f"import rehub\ntry: {call}\nexcept rehub.errors.DependencyError as error: print(error)"

    assert "pip install tensorflow" in _run(python, "-c", code).stdout
