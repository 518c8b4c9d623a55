"""Which libraries are installed, and which Keras TensorFlow uses; read from their metadata, none is imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import rehub
from rehub.cli.doctor.report import Problem, Section

_OLDEST_TENSORFLOW, _NEWEST_TENSORFLOW = (2, 15), (2, 21)
_OLDEST_PROTOBUF = (4, 25)
_FIRST_WITH_KERAS_3 = (2, 16)
_FIRST_WITH_NUMPY_2 = (2, 18)
_OLDEST_KERAS_3 = (3, 10)
_BACKENDS = ("tensorflow", "jax", "torch")
_INSTALL = "pip install --upgrade tensorflow (or tensorflow-cpu)"

Version = tuple[int, ...]


def examine() -> Section:
    """Tells the versions, and which of them do not go together."""
    found = {name: _version(name) for name in ("keras", "tf_keras", "numpy", "protobuf", "tensorflow-hub", "isal")}
    distributions = _distributions("tensorflow")
    tensorflow = next(iter(distributions.values()), None)
    facts = {
        "rehub": rehub.__version__,
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.machine()}",
        "TensorFlow": ", ".join(f"{version} ({name})" for name, version in distributions.items())
        or "not installed: models can be fetched and inspected, not loaded",
        "Keras": _keras_in_use(tensorflow, found),
        **{name: version or "not installed" for name, version in found.items() if name not in ("keras", "tf_keras")},
    }
    problems = [*_tensorflow_problems(distributions, found), *_other_problems(found)]
    return Section("versions", facts, tuple(problems))


def _tensorflow_problems(distributions: Mapping[str, str], found: Mapping[str, str | None]) -> Iterator[Problem]:
    if not distributions:
        return
    name, text = next(iter(distributions.items()))
    version = _numbers(text)
    if len(set(distributions.values())) > 1:
        yield Problem(
            "error",
            f"TensorFlow is installed {len(distributions)} times, in versions that overwrite each other: "
            + ", ".join(f"{other} {number}" for other, number in distributions.items()),
            f"Uninstall all of them ({', '.join(distributions)}), then: {_INSTALL}",
        )
    if version < _OLDEST_TENSORFLOW:
        yield Problem("error", f"{name} {text} is older than 2.15, the oldest that rehub runs on.", f"Run: {_INSTALL}")
    if version > _NEWEST_TENSORFLOW:
        yield Problem(
            "warning",
            f"{name} {text} is newer than {_dotted(_NEWEST_TENSORFLOW)}, the newest that this rehub was tested with.",
            "If something fails, look for a newer rehub.",
        )
    if version < _FIRST_WITH_NUMPY_2 and _numbers(found["numpy"] or "0") >= (2,):
        yield Problem(
            "error", f"{name} {text} cannot be imported with numpy {found['numpy']}.", "Run: pip install 'numpy<2'"
        )
    yield from _keras_problems(text, found)


def _keras_problems(tensorflow: str, found: Mapping[str, str | None]) -> Iterator[Problem]:
    version, keras, tf_keras = _numbers(tensorflow), found["keras"], found["tf_keras"]
    minor = _dotted(version)
    if tf_keras is not None and _numbers(tf_keras) != version:
        yield Problem(
            "error" if _is_legacy() else "warning",
            f"tf_keras {tf_keras} does not belong to TensorFlow {tensorflow}.",
            f"Run: pip install 'tf_keras=={minor}.*'",
        )
    if _is_legacy():
        if tf_keras is None:
            yield Problem(
                "error",
                f"TF_USE_LEGACY_KERAS is {os.environ['TF_USE_LEGACY_KERAS']}, but tf_keras is not installed.",
                f"Run: pip install 'tf_keras=={minor}.*', or unset TF_USE_LEGACY_KERAS to use Keras 3.",
            )
        return
    if keras is None:
        yield Problem("error", "Keras is not installed, so tf.keras does not work.", "Run: pip install keras")
    elif version >= _FIRST_WITH_KERAS_3 and _numbers(keras) < (3,):
        yield Problem(
            "error", f"TensorFlow {tensorflow} does not work with Keras {keras}.", "Run: pip install --upgrade keras"
        )
    elif version < _FIRST_WITH_KERAS_3 and _numbers(keras) >= (3,):
        yield Problem(
            "error",
            f"TensorFlow {tensorflow} does not work with Keras {keras}.",
            f"Run: pip install 'keras=={minor}.*', or upgrade TensorFlow.",
        )
    elif (3,) <= _numbers(keras) < _OLDEST_KERAS_3:
        yield Problem(
            "error",
            f"Keras {keras} is older than {_dotted(_OLDEST_KERAS_3)}, the oldest Keras 3 for hub.KerasLayer.",
            "Run: pip install --upgrade keras",
        )
    elif _numbers(keras) >= (3,) and _backend()[0] not in _BACKENDS:
        name, why = _backend()
        yield Problem(
            "error",
            f"the backend of Keras 3 is {name} ({why}), which cannot run SavedModels.",
            f"Set KERAS_BACKEND to {', '.join(_BACKENDS[:-1])} or {_BACKENDS[-1]}.",
        )


def _other_problems(found: Mapping[str, str | None]) -> Iterator[Problem]:
    protobuf = found["protobuf"]
    if protobuf is None or _numbers(protobuf) < _OLDEST_PROTOBUF:
        yield Problem(
            "error",
            f"protobuf is {protobuf or 'not installed'}; rehub needs {_dotted(_OLDEST_PROTOBUF)} or newer.",
            "Run: pip install --upgrade protobuf",
        )
    # It imports pkg_resources, which setuptools no longer has.
    if found["tensorflow-hub"] is not None and importlib.util.find_spec("pkg_resources") is None:
        yield Problem(
            "warning",
            f"import tensorflow_hub fails (version {found['tensorflow-hub']}): it needs pkg_resources.",
            "Write 'import rehub as hub' instead, or run: pip install 'setuptools<81'",
        )


def _keras_in_use(tensorflow: str | None, found: Mapping[str, str | None]) -> str:
    if tensorflow is None:
        return found["keras"] or "not installed"
    if _is_legacy():
        why = f"TF_USE_LEGACY_KERAS is {os.environ['TF_USE_LEGACY_KERAS']}"
        return f"tf_keras {found['tf_keras'] or 'missing'} ({why})"
    keras = found["keras"]
    if keras is None:
        return "not installed"
    if _numbers(keras) < (3,):
        return f"{keras} (tf.keras of TensorFlow {tensorflow})"
    name, why = _backend()
    return f"{keras} (tf.keras of TensorFlow {tensorflow}), backend {name} ({why})"


def _is_legacy() -> bool:
    """Whether TensorFlow takes tf_keras for tf.keras. Source: ``tensorflow/python/util/lazy_loader.py``."""
    return os.environ.get("TF_USE_LEGACY_KERAS") in ("true", "True", "1")


def _backend() -> tuple[str, str]:
    """Returns the backend of Keras 3, and what chose it."""
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"], "KERAS_BACKEND"
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        return str(json.loads(path.read_text())["backend"]), str(path)
    except (OSError, ValueError, LookupError, TypeError):
        return "tensorflow", "default"


def _distributions(module: str) -> dict[str, str]:
    """Returns name and version of the packages that bring a module, none if it cannot be imported."""
    if importlib.util.find_spec(module) is None:
        return {}
    names = importlib.metadata.packages_distributions().get(module, [])
    return {name: importlib.metadata.version(name) for name in sorted(set(names))} or {module: "unknown"}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> Version:
    """Returns major and minor number, as far as there are any."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
