"""``rehub convert``, where there is TensorFlow."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

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


def test_command_refuses_a_sample_that_holds_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "sample.npz", x=np.array([{}], object))
    code, _, err = command.run(
        tmp_path / "cache",
        "convert",
        "--sample",
        tmp_path / "sample.npz",
        DATA / "saved_models/keras2",
        tmp_path / "out",
    )
    assert code == 2
    assert "is no .npz file of plain arrays" in err
    assert not (tmp_path / "out").exists()
