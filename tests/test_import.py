"""What an import brings along. Checked in a fresh process, because pytest's own has imported everything."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rehub
from rehub.archive.fingerprint import fingerprint
from rehub.resolvers import lockfile
from rehub.resolvers.chain import resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample

HEAVY = ("tensorflow", "keras", "tf_keras", "numpy", "pyarrow", "ray", "usearch")
MAY_BE_HEAVY = ("runtime", "tf1", "publish", "keras", "batch", "comparison", "train", "demo")

PACKAGE = Path(rehub.__file__).parent

PIN = fingerprint({name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in sample.FILES.items()})


def _light_modules() -> list[str]:
    names = []
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = ["rehub", *file.relative_to(PACKAGE).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        if parts[1:2] and (parts[1] in MAY_BE_HEAVY or parts[-1] == "__main__" or "site" in parts):
            continue
        if parts[1:2] == ["migrate"] and not importlib.util.find_spec("libcst"):
            continue
        names.append(".".join(parts))
    return names


def _imported_by(module: str) -> set[str]:
    code = f"import {module}, json, sys; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", [*_light_modules(), "rehub.batch"])
def test_import_loads_nothing_heavy(module: str) -> None:
    assert _imported_by(module).isdisjoint(HEAVY)


def test_import_of_package_loads_no_third_party_library_but_platformdirs() -> None:
    installed = {"click", "filelock", "isal", "rich", "tqdm", "truststore", "urllib3", "starlette"}

    assert _imported_by("rehub").isdisjoint(installed)


@pytest.mark.parametrize(
    "handle",
    [
        "https://hub.test/acme/net/2",
        f"https://hub.test/acme/net/2#sha256={PIN}",
        "https://hub.test/acme/net",
        "https://files.test/net.tar.gz",
    ],
)
@pytest.mark.parametrize("is_locked", [False, True])
def test_first_hit_of_a_process_imports_nothing(
    handle: str, is_locked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("TFHUB_", "REHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = MemoryResponse(sample.archive())
    transport = MemoryTransport(
        {
            "https://hub.test/acme/net/2?tf-hub-format=compressed": model,
            "https://hub.test/acme/net?tf-hub-format=compressed": model,
            "https://files.test/net.tar.gz": model,
        }
    )
    folder = resolve_with(handle, rehub.Settings(show_progress=False), transport)
    if is_locked:
        lockfile.write(tmp_path / "rehub.lock", [lockfile.lock(handle, folder)])
        monkeypatch.setenv("REHUB_LOCKFILE", str(tmp_path / "rehub.lock"))
    code = (
        "import rehub, sys; before = {*sys.modules}; print(rehub.resolve(sys.argv[1])); print({*sys.modules} - before)"
    )

    done = subprocess.run([sys.executable, "-c", code, handle], capture_output=True, text=True, timeout=120)

    assert done.stderr == ""
    assert done.stdout.splitlines() == [folder, "set()"]


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = rehub.no_such_name


def test_public_names_are_listed_and_those_of_the_tf1_api_are_among_them() -> None:
    assert set(rehub.__all__) <= set(dir(rehub))
    assert {"Module", "create_module_spec", "LatestModuleExporter", "text_embedding_column_v2"} <= set(rehub.__all__)


def test_name_without_tensorflow_arrives_and_says_what_to_install_when_used() -> None:
    code = "import rehub; rehub.load_module_spec, rehub.create_module_spec; rehub.Module('/nowhere')"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['tensorflow'] = None\n{code}"],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert "DependencyError" in done.stderr
    assert "pip install" in done.stderr
