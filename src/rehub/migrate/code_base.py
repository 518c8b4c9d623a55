"""The files of a project that may have to do with tensorflow_hub."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator
from pathlib import Path

from rehub.errors import UsageError
from rehub.migrate import requirements

_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
_HIDDEN_BUT_READ = frozenset({".github", ".circleci", ".devcontainer", ".gitlab-ci.yml"})


class FileKind(enum.Enum):
    """How a file is read."""

    PYTHON = "Python"
    NOTEBOOK = "notebook"
    DEPENDENCIES = "dependencies"


def kind(path: Path) -> FileKind | None:
    """Returns how a file is read, by its name; None for a file that is not."""
    suffix = path.suffix.lower()
    if suffix in (".py", ".pyi", ".pyw"):
        return FileKind.PYTHON
    if suffix == ".ipynb":
        return FileKind.NOTEBOOK
    if requirements.is_list(path) or requirements.has_commands(path):
        return FileKind.DEPENDENCIES
    return None


def files(path: Path) -> Iterator[Path]:
    """Yields a file, or the files of a folder and those below, in the order of their names.

    Hidden folders, environments, installed packages and links to folders are left out.

    Raises:
        UsageError: If the path is a file of no kind that is read.
    """
    if not path.is_dir():
        if kind(path) is None:
            raise UsageError(
                f"'{path}' is no Python, no notebook and no list of dependencies.",
                hint="Pass a folder, or a file that ends in .py, .ipynb, .txt, .toml, .cfg, .yml or .sh.",
            )
        yield path
        return
    for folder, names, found in os.walk(path):
        names[:] = sorted(name for name in names if _is_read(Path(folder, name)))
        for name in sorted(found):
            file = Path(folder, name)
            if (not name.startswith(".") or name in _HIDDEN_BUT_READ) and kind(file) is not None and file.is_file():
                yield file


def _is_read(folder: Path) -> bool:
    if folder.name.startswith("."):
        return folder.name in _HIDDEN_BUT_READ
    return folder.name not in _SKIPPED and not (folder / "pyvenv.cfg").exists()
