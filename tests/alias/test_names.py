"""Every public name of tensorflow_hub 0.15.0, which this environment has, and of 0.16.1, with its parameters."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LISTS = """
import importlib, inspect, json, pkgutil, types
import tensorflow_hub as hub
def own(module):
    for name, value in vars(module).items():
        foreign = getattr(value, "__module__", module.__name__) != module.__name__
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and not foreign:
            if name not in ("FLAGS", "DESCRIPTOR") and not module.__name__.endswith("_pb2"):
                yield name
modules = [importlib.import_module(f"tensorflow_hub.{m.name}") for m in pkgutil.iter_modules(hub.__path__)]
found = {module.__name__: sorted(own(module)) for module in modules}
found["tensorflow_hub"] = [name for name in hub.__all__ if hasattr(hub, name)]
functions = {name: getattr(hub, name) for name in found["tensorflow_hub"] if name != "ImageModuleInfo"}
parameters = {name: list(inspect.signature(each.__init__ if inspect.isclass(each) else each).parameters)
              for name, each in functions.items()}
print(json.dumps([found, parameters, hub.__all__]))
"""


@dataclasses.dataclass(frozen=True)
class Listed:
    """What tensorflow_hub has: names by module, parameters by public name, and ``__all__``."""

    names: dict[str, list[str]]
    parameters: dict[str, list[str]]
    public: list[str]


@pytest.fixture(scope="module", params=["0.15.0", "0.16.1"])
def listed(request: pytest.FixtureRequest, peer_python: Path) -> Listed:
    python = sys.executable if request.param == "0.15.0" else peer_python
    done = subprocess.run([python, "-c", LISTS], capture_output=True, text=True, timeout=300, check=True)
    found = Listed(*json.loads(done.stdout.splitlines()[-1]))
    assert "load" in found.names["tensorflow_hub"]
    return found


def test_each_public_name_is_there(hub: Any, listed: Listed) -> None:
    missing = [
        f"{module}.{name}"
        for module, names in listed.names.items()
        for name in names
        if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []


def test_each_parameter_is_there_in_its_place(hub: Any, listed: Listed) -> None:
    differing = {}
    for name, wanted in listed.parameters.items():
        value = getattr(hub, name)
        ours = list(inspect.signature(value.__init__ if inspect.isclass(value) else value).parameters)
        wanted = [each for each in wanted if each != "kwargs"]
        if ours[: len(wanted)] != wanted:
            differing[name] = (wanted, ours)
    assert differing == {}


def test_all_lists_what_tensorflow_hub_lists(hub: Any, listed: Listed) -> None:
    assert sorted(hub.__all__) == sorted(listed.public)
