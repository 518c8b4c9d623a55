"""The examples, commands and numbers of docs/security.md are true."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub
from rehub.archive.tar import Limits
from rehub.formats.manifest import SIZE_LIMIT_BYTES
from rehub.server import EmbeddedHub
from tests import sample
from tests.cli import command

TEXT = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")


class ReadsFile(tf.Module):
    """string[] -> string[]: the content of a file."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def __call__(self, path: Any) -> Any:
        return tf.io.read_file(path)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models that the document names, in the working folder."""
    monkeypatch.chdir(tmp_path)
    sample.write(tmp_path / "models/acme/net/1")
    return tmp_path / "models"


@pytest.mark.usefixtures("models")
def test_examples_print_what_their_comments_say(tmp_path: Path) -> None:
    tf.saved_model.save(ReadsFile(), str(tmp_path / "reads-a-file"))
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE))
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "security.md", "exec"), names)

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 2
    assert printed.getvalue().splitlines() == promised
    assert callable(names["model"])


def test_commands_work_as_they_are_printed(models: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    commands = [line.removeprefix("rehub ") for line in block.splitlines()]
    with EmbeddedHub(models) as served, rehub.settings(cache_dir=tmp_path / "cache"):
        for line in commands:
            words = line.replace("https://tfhub.dev/google/nnlm-en-dim128/2", f"{served.url}/acme/net/1").split()
            code, out, err = command.call(tmp_path / "cache", *words)
            assert code == 0, err
            assert f"{served.url}/acme/net/1" in out

    assert len(commands) == 2


def test_limits_are_those_of_the_code() -> None:
    limits = Limits()
    for row in (
        f"| {limits.members:,} | files and folders of an archive |",
        f"| {limits.total_bytes >> 30} GiB | all files of a model |",
        f"| {limits.ratio} | bytes unpacked for each byte of the archive, beyond {limits.ratio_free_bytes >> 20} MiB |",
        f"| {SIZE_LIMIT_BYTES >> 20} MiB | a manifest |",
    ):
        assert row in TEXT.splitlines()
