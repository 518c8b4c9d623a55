"""``rehub doctor``: facts, problems and what to do about them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import rehub
from rehub.server import EmbeddedHub
from tests.cli import command


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without settings."""
    for name in list(os.environ):
        if name.startswith(("REHUB_", "TFHUB_", "KAGGLE_", "KERAS_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()


pytestmark = pytest.mark.usefixtures("plain")


def _doctor(cache: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Returns the exit code, the facts, and each problem with its severity."""
    code, out, _ = command.run(cache, "doctor", "--json", *arguments, **environment)
    report = json.loads(out)
    assert all(problem["fix"] for problem in report["problems"])
    return code, report["sections"], {problem["what"]: problem["severity"] for problem in report["problems"]}


def _install(folder: Path, **versions: str) -> str:
    """Makes packages that have a version and nothing else; returns the folder for PYTHONPATH."""
    for name, version in versions.items():
        module = name.removesuffix("_cpu")
        (folder / module).mkdir(parents=True, exist_ok=True)
        (folder / module / "__init__.py").write_text("raise ImportError('nothing in here')")
        metadata = folder / f"{name}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (metadata / "top_level.txt").write_text(f"{module}\n")
    return f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"


def test_doctor_finds_nothing_wrong_in_a_plain_environment(cache: Path) -> None:
    code, out, _ = command.run(cache, "doctor")

    assert (code, "No problems found." in out) == (0, True)
    code, facts, problems = _doctor(cache)
    assert (code, problems) == (0, {})
    assert facts["versions"]["rehub"] == rehub.__version__
    assert facts["cache"]["folder"] == str(cache)
    assert facts["cache"]["chosen by"] == "TFHUB_CACHE_DIR"
    assert (facts["cache"]["exists"], facts["cache"]["writable"]) == (False, True)
    assert facts["network"]["certificates checked"] is True
    assert not cache.exists()


def test_doctor_says_that_the_cache_is_where_the_system_has_caches(cache: Path, tmp_path: Path) -> None:
    facts = _doctor(cache, TFHUB_CACHE_DIR="", XDG_CACHE_HOME=str(tmp_path / "xdg"))[1]

    assert facts["cache"]["chosen by"] == "default of this system"


def test_doctor_tells_what_is_in_the_cache(hub: EmbeddedHub, cache: Path) -> None:
    paths = command.run(cache, "resolve", f"{hub.url}/acme/net/1", f"{hub.url}/acme/net/2")[1].split()
    (Path(paths[0]) / "saved_model.pb").unlink()
    (cache / ".staging" / "0123.4567").write_text("left")

    code, facts, problems = _doctor(cache)

    assert code == 0
    assert (facts["cache"]["models"], facts["cache"]["damaged models"]) == ("2 (120 kB)", 1)
    assert facts["cache"]["renames and locks"] == "yes"
    assert problems == {
        f"1 model of the cache is not whole: {hub.url}/acme/net/1.": "warning",
        "1 unfinished download (4 B) in the cache: running, or killed.": "warning",
    }
    assert not list(cache.glob(".doctor*"))


@pytest.mark.parametrize(
    ("environment", "what", "severity"),
    [
        ({"REHUB_OFFLINE": "1"}, "rehub is offline", "warning"),
        ({"TFHUB_DISABLE_CERT_VALIDATION": "true"}, "certificates are not checked", "warning"),
        ({"REHUB_CA_BUNDLE": "/nowhere.pem"}, "'/nowhere.pem' cannot be read", "error"),
        ({"HTTPS_PROXY": "socks5://me:s3cr3t@proxy:1"}, "the proxy socks5://proxy:1 is of a kind", "error"),
        ({"REHUB_RETRIES": "many"}, "REHUB_RETRIES is 'many'", "error"),
        ({"REHUB_OFLINE": "1"}, "REHUB_OFLINE is set, and rehub does not read it", "warning"),
        ({"TFHUB_CACHE_DIR": "gs://bucket/cache"}, "gs://bucket/cache is not on this machine", "error"),
        ({"TFHUB_CACHE_DIR": "/dev/null/cache"}, "is not writable", "error"),
        ({"REHUB_TOKEN": "s3cr3t"}, "REHUB_TOKEN is set, but not for which server", "error"),
    ],
)
def test_doctor_finds_settings_that_are_wrong(
    cache: Path, environment: dict[str, str], what: str, severity: str
) -> None:
    code, facts, problems = _doctor(cache, **environment)

    ((message, found),) = problems.items()
    assert what in message
    assert (found, code) == (severity, 1 if severity == "error" else 0)
    assert "s3cr3t" not in json.dumps(facts) + message


def test_doctor_finds_a_cache_in_a_temporary_folder(cache: Path, tmp_path: Path) -> None:
    problems = _doctor(cache, TFHUB_CACHE_DIR=str(tmp_path / "tmp" / "models"))[2]

    assert [what for what in problems if "get lost when the machine is cleaned" in what]


@pytest.mark.parametrize(
    "mirrors",
    [
        "https://tfhub.dev=https://me:s3cr3t@mirror.acme",
        "https://a.acme=https://mirror.acme,http://me:s3cr3t@b.acme=https://mirror.acme",
        "https://tfhub.dev=ftp://me:s3/s3cr3t=@mirror.acme",
    ],
)
def test_doctor_shows_no_login_of_a_mirror(cache: Path, mirrors: str) -> None:
    code, out, err = command.run(cache, "doctor", REHUB_MIRRORS=mirrors)

    assert (code, err, "s3cr3t" in out) == (1, "", False)
    assert out.count("://…@") == 2
    assert "mirror.acme" in out
    assert "a login does not belong there" in out


def test_doctor_shows_no_secrets(cache: Path) -> None:
    environment = {
        "HTTPS_PROXY": "http://me:s3cr3t@proxy:3128",
        "REHUB_TOKEN": "s3cr3t",
        "REHUB_TOKEN_HOST": "hub.acme",
    }

    facts = _doctor(cache, **environment)[1]

    assert facts["network"]["proxy for https"] == "http://proxy:3128"
    assert facts["network"]["credentials for"] == "https://hub.acme (REHUB_TOKEN)"
    assert "s3cr3t" not in json.dumps(facts)


@pytest.mark.parametrize(
    ("versions", "environment", "keras", "what", "severity"),
    [
        ({"tensorflow": "2.21.0", "keras": "3.15.1"}, {}, "3.15.1 (tf.keras", None, None),
        ({"tensorflow": "2.15.1", "keras": "2.15.0"}, {}, "2.15.0 (tf.keras", None, None),
        ({"tensorflow_cpu": "2.14.0", "keras": "2.14.0"}, {}, "2.14.0", "2.14.0 is older than 2.15", "error"),
        ({"tensorflow": "2.22.0", "keras": "3.15.1"}, {}, "3.15.1", "2.22.0 is newer than 2.21", "warning"),
        ({"tensorflow": "2.21.0"}, {}, "not installed", "Keras is not installed", "error"),
        ({"tensorflow": "2.21.0", "keras": "2.15.0"}, {}, "2.15.0", "does not work with Keras 2.15.0", "error"),
        ({"tensorflow": "2.15.0", "keras": "3.1.0"}, {}, "3.1.0", "does not work with Keras 3.1.0", "error"),
        (
            {"tensorflow": "2.21.0", "keras": "3.15.1"},
            {"TF_USE_LEGACY_KERAS": "1"},
            "tf_keras missing (TF_USE_LEGACY_KERAS is 1)",
            "TF_USE_LEGACY_KERAS is 1, but tf_keras is not installed",
            "error",
        ),
        (
            {"tensorflow": "2.21.0", "keras": "3.15.1", "tf_keras": "2.21.0"},
            {"TF_USE_LEGACY_KERAS": "True"},
            "tf_keras 2.21.0 (TF_USE_LEGACY_KERAS is True)",
            None,
            None,
        ),
        (
            {"tensorflow": "2.21.0", "keras": "3.15.1", "tf_keras": "2.18.0"},
            {"TF_USE_LEGACY_KERAS": "1"},
            "tf_keras 2.18.0",
            "tf_keras 2.18.0 does not belong to TensorFlow 2.21.0",
            "error",
        ),
        (
            {"tensorflow": "2.21.0", "keras": "3.15.1", "tf_keras": "2.18.0"},
            {},
            "3.15.1",
            "tf_keras 2.18.0 does not belong to TensorFlow 2.21.0",
            "warning",
        ),
        (
            {"tensorflow": "2.21.0", "keras": "3.15.1"},
            {"KERAS_BACKEND": "jax"},
            "backend jax (KERAS_BACKEND)",
            None,
            None,
        ),
        (
            {"tensorflow": "2.21.0", "keras": "3.15.1"},
            {"KERAS_BACKEND": "openvino"},
            "backend openvino (KERAS_BACKEND)",
            "the backend of Keras 3 is openvino (KERAS_BACKEND)",
            "error",
        ),
        ({"tensorflow": "2.18.0", "keras": "3.9.2"}, {}, "3.9.2", "Keras 3.9.2 is older than 3.10", "error"),
        ({"tensorflow": "2.18.0", "keras": "3.10.0"}, {}, "3.10.0", None, None),
        (
            {"tensorflow": "2.16.1", "keras": "3.10.0", "numpy": "2.4.0"},
            {},
            "3.10.0",
            "tensorflow 2.16.1 cannot be imported with numpy 2.4.0",
            "error",
        ),
        (
            {"tensorflow": "2.21.0", "tensorflow_cpu": "2.20.0", "keras": "3.15.1"},
            {},
            "3.15.1",
            "TensorFlow is installed 2 times",
            "error",
        ),
        ({"protobuf": "3.20.3"}, {}, "not installed", "protobuf is 3.20.3", "error"),
        ({"tensorflow_hub": "0.16.1"}, {}, "not installed", "import tensorflow_hub fails (version 0.16.1)", "warning"),
    ],
)
def test_doctor_knows_versions_that_do_not_go_together(
    cache: Path,
    versions: dict[str, str],
    environment: dict[str, str],
    keras: str,
    what: str | None,
    severity: str | None,
) -> None:
    path = _install(cache.with_name("site"), **versions)

    code, facts, problems = _doctor(cache, PYTHONPATH=path, **environment)

    assert keras in facts["versions"]["Keras"]
    assert list(problems.values()) == [severity] * (what is not None)
    assert what is None or what in next(iter(problems))
    assert code == (1 if severity == "error" else 0)


def test_doctor_reads_the_backend_from_the_file_of_keras(cache: Path) -> None:
    home = cache.with_name("keras-home")
    home.mkdir()
    (home / "keras.json").write_text('{"backend": "torch"}')
    path = _install(cache.with_name("site"), tensorflow="2.21.0", keras="3.15.1")

    facts = _doctor(cache, PYTHONPATH=path, KERAS_HOME=str(home))[1]

    assert f"backend torch ({home / 'keras.json'})" in facts["versions"]["Keras"]


def test_doctor_finds_a_tensorflow_that_cannot_be_imported(cache: Path) -> None:
    path = _install(cache.with_name("site"), tensorflow="2.21.0", keras="3.15.1")

    code, facts, problems = _doctor(cache, "--deep", PYTHONPATH=path)

    assert (code, facts["import"]) == (1, {"import of TensorFlow": "failed"})
    assert [what for what in problems if "nothing in here" in what]


def test_doctor_prints_problems_with_what_to_do(cache: Path) -> None:
    code, out, _ = command.run(cache, "doctor", REHUB_CA_BUNDLE="/nowhere.pem")

    *_, problem, hint = out.splitlines()
    assert code == 1
    assert problem.startswith("error: the certificate authorities in '/nowhere.pem' cannot be read")
    assert hint == "hint: REHUB_CA_BUNDLE names a PEM file."
    assert "No problems" not in out
