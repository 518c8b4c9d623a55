"""Ops that TensorFlow itself does not have: the packages that bring them are imported, or named."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Callable
from typing import Any

from rehub.errors import DependencyError
from rehub.model.op_packages import package_of

_NOT_REGISTERED = re.compile(r"Op type not registered '([^']+)'")


def load_with_ops(load: Callable[[], Any], handle: str) -> Any:
    """Loads a model, and imports the packages whose ops it turns out to need, as far as they are installed.

    Args:
        load: Loads it.
        handle: Its name, for errors.

    Raises:
        DependencyError: If a package is not installed, or is of a version that lacks the op.
    """
    imported: set[str] = set()
    while True:
        try:
            return load()
        except Exception as error:  # TensorFlow has no class for it
            missing = _NOT_REGISTERED.search(str(error))
            if missing is None:
                raise
            imported.add(_import_package(missing[1], handle, imported, error))


def _import_package(op: str, handle: str, imported: set[str], error: Exception) -> str:
    package = package_of(op)
    problem = f"'{handle}' uses the op {op!r}, which TensorFlow does not have"
    if package is None:
        raise DependencyError(
            f"{problem}.", hint="Ask its publisher which package brings the op, and import that before loading."
        ) from error
    if package.name in imported:
        found = _version(package.name)
        raise DependencyError(
            f"{problem}, and neither does {package.name} {found}.",
            hint=f"Install the version of {package.name} that belongs to your TensorFlow.",
            package=package.name,
            found=found,
        ) from error
    try:
        importlib.import_module(package.module)
    except Exception as broken:  # whatever a library of others raises
        if isinstance(broken, ModuleNotFoundError) and broken.name == package.module.partition(".")[0]:
            raise DependencyError(
                f"{problem}; the package {package.name} brings it, and is not installed.",
                hint=f"Run: pip install {package.name} (in the version of your TensorFlow).",
                package=package.name,
            ) from error
        raise DependencyError(
            f"{problem}; {package.name} {_version(package.name)} brings it, and cannot be imported: {broken}.",
            hint=f"Install the version of {package.name} that belongs to your TensorFlow.",
            package=package.name,
            found=_version(package.name),
        ) from broken
    return package.name


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"
