"""``rehub convert``, where there is TensorFlow."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli import command

DATA = Path(__file__).parents[1] / "data"


def test_command_prints_what_it_wrote_and_how_well_it_fits(tmp_path: Path) -> None:
    np.savez(tmp_path / "sample.npz", input_1=np.ones([1, 3]))
    code, out, err = command.run(
        tmp_path / "cache",
        *("convert", "--to", "tf1-hub", "--sample", tmp_path / "sample.npz"),
        *(DATA / "saved_models/keras2", tmp_path / "module"),
    )
    assert (code, out) == (0, f"{tmp_path / 'module'}\n")
    assert re.search("The outputs (are the same|differ by .*e-0. at most)", err)


def test_command_tells_a_program_the_same(tmp_path: Path) -> None:
    graphs = DATA / "saved_models/graphs"
    code, out, _ = command.run(
        tmp_path / "cache",
        "convert",
        "--json",
        "--tags",
        "serve",
        "--signature",
        "serving_default",
        graphs,
        tmp_path / "model",
    )
    assert code == 0
    facts = json.loads(out)
    assert (facts["handle"], facts["path"], facts["to"]) == (str(graphs), str(tmp_path / "model"), "reusable")


def _bytes(write: Callable[[Any], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def _zip(stream: Any) -> None:
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("config.json", "{}")


OBJECTS = _bytes(lambda stream: np.savez(stream, x=np.array([{}], object)))
ARRAYS = _bytes(lambda stream: np.savez_compressed(stream, x=np.arange(999.0)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OBJECTS, "cannot be read: Object arrays"),
        (ARRAYS[:-30], "it is no .npz file, or not a whole one"),
        (ARRAYS[:60] + b"\xff" * 5 + ARRAYS[65:], "cannot be read: Error -3 while decompressing"),
        (b"", "it is no .npz file, or not a whole one"),
        (_bytes(lambda stream: np.save(stream, np.ones(3))), "it is no .npz file, or not a whole one"),
        (_bytes(_zip), "holds 'config.json', which is no array"),
    ],
    ids=["objects", "truncated", "damaged", "empty", "one array", "another zip"],
)
def test_command_refuses_a_sample_that_is_no_whole_file_of_arrays(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "sample.npz").write_bytes(content)
    model, out = DATA / "saved_models/keras2", tmp_path / "out"
    code, _, err = command.run(tmp_path / "cache", "convert", "--sample", tmp_path / "sample.npz", model, out)
    assert code == 2
    assert message in " ".join(err.split())
    assert not out.exists()
