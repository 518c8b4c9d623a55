"""Each example runs as its reader runs it, says nothing on stderr, and shows what it claims to show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rehub

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = (
    "text_classification",
    "compare_text_embeddings",
    "image_classification",
    "reexport",
    "private_hub",
    "guess_languages",
)


def _start(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python in a working folder, with a wide terminal so that no table wraps its cells."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(EXAMPLES.parent / "src"), str(EXAMPLES))),
        "TFHUB_CACHE_DIR": str(folder / "cache"),
        "COLUMNS": "200",
    }
    return subprocess.run(
        (sys.executable, *command),
        capture_output=True,
        text=True,
        timeout=600,
        cwd=folder,
        env=environment,
        check=False,
    )


def _run(name: str, *arguments: str, folder: Path) -> dict[str, list[str]]:
    """Runs an example and returns the cells of its tables' rows, by their first cell."""
    done = _start(str(EXAMPLES / f"{name}.py"), *arguments, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert not (folder / "cache").exists(), "an example fills its reader's cache"
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "│"]
    return {first: others for first, *others in rows}


def _check_picture(path: Path) -> None:
    with Image.open(path) as picture:
        assert picture.width > 400
        assert picture.height > 200
        assert len(picture.getcolors(maxcolors=picture.width * picture.height) or []) > 50


def test_text_classification_shows_that_fine_tuning_pays_with_many_labels(tmp_path: Path) -> None:
    rows = _run("text_classification", folder=tmp_path)

    few, many = ({name: float(row[at][:4]) for name, row in rows.items() if re.match(r"0\.", row[at])} for at in (0, 1))
    assert few["loaded embedding"] > few["bag of words"] + 0.1
    assert few["bag of words"] > few["random vectors"]
    assert many["loaded embedding, fine-tuned"] > many["loaded embedding"] + 0.02
    assert many["loaded embedding, fine-tuned"] > max(many["bag of words"], many["random vectors, fine-tuned"]) + 0.05
    samples = [row for row in rows.values() if row[0] in ("graphs", "images", "statistics")]
    assert len(samples) >= 6


def test_compare_text_embeddings_ranks_the_widest_learned_one_first(tmp_path: Path) -> None:
    done = _start(str(EXAMPLES / "compare_text_embeddings.py"), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""

    lines = [line.split() for line in done.stdout.splitlines()]
    assert [words[0] for words in lines[1:6]] == ["learned-48", "learned-12", "learned-4", "random-48", "not-there"]
    assert float(lines[1][1]) > float(lines[4][1]) + 0.2
    _check_picture(tmp_path / "examples-output" / "compare_text_embeddings" / "models.png")


def test_image_classification_gains_by_the_last_blocks_and_loses_by_training_mode(tmp_path: Path) -> None:
    rows = _run("image_classification", folder=tmp_path)

    head, everything, blocks = (
        [float(cell) for cell in rows[name]]
        for name in ("head only", "everything, training mode", "last two blocks, fixed statistics")
    )
    assert head[0] == everything[0] == blocks[0] > 0.6
    assert blocks[1] > head[1] + 0.05
    assert everything[1] < head[1]
    _check_picture(tmp_path / "examples-output" / "image_classification" / "curves.png")


def test_reexport_keeps_answers_assets_signatures_and_losses(tmp_path: Path) -> None:
    rows = _run("reexport", folder=tmp_path)

    published, newest = rows["version 1"], rows["newest: 2"]
    assert newest[:2] == published[:2] == ["vocabulary.txt", "serving_default, cosine"]
    assert float(published[2]) == 0
    assert float(newest[2]) > 0.01
    assert all(float(row[3]) < 1e-6 for row in rows.values())
    folders = [tmp_path / "examples-output" / "reexport" / name for name in ("hub.load", "KerasLayer")]
    answers = [np.asarray(rehub.KerasLayer(str(folder))(["Draw a graph."])) for folder in folders]
    assert answers[0].shape == (1, 48)
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-3)


def test_private_hub_lets_in_who_has_the_token_and_what_fits_the_pin(tmp_path: Path) -> None:
    rows = _run("private_hub", folder=tmp_path)

    came_of = {step: (row[0], row[1].partition(":")[0]) for step, row in rows.items() if step}
    refused = {step: error for step, (result, error) in came_of.items() if result == "refused"}
    assert refused == {
        "no token": "AccessError",
        "wrong token": "AccessError",
        "token for another host": "AccessError",
        "a version that is not there": "NotFoundError",
        "pinned to something else": "ChecksumError",
        "another version, offline": "OfflineError",
    }
    assert [step for step in came_of if came_of[step][1] == "loaded"] == [
        "REHUB_TOKEN",
        "rehub login, empty cache",
        "hub stopped, from the cache",
        "pinned, from the cache",
    ]


def test_guess_languages_is_mostly_right_about_this_project(tmp_path: Path) -> None:
    rows = _run("guess_languages", folder=tmp_path)

    files, right = (int(cell) for cell in rows["all"][:2])
    assert files == sum(int(row[0]) for name, row in rows.items() if name != "all")
    assert files > 50
    assert right > 0.9 * files
    _check_picture(tmp_path / "examples-output" / "guess_languages" / "confusion.png")


def test_guess_languages_takes_a_folder_and_tells_languages_apart(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / ".hidden").mkdir(parents=True)
    source = (EXAMPLES / "private_hub.py").read_text(encoding="utf-8")
    page = "# Notes\n\nWhat to do:\n\n" + "- read the [manual](manual.md) and **try** it\n" * 12
    for name, text in {"a.py": source, "b.md": page, "wrong.md": source, ".hidden/c.py": source, "d.bin": page}.items():
        (folder / name).write_text(text, encoding="utf-8")

    rows = _run("guess_languages", str(folder), folder=tmp_path)

    assert rows == {
        "Markdown": ["2", "1", "50%", "Python (1)"],
        "Python": ["1", "1", "100%", ""],
        "all": ["3", "2", "67%", ""],
    }


def test_guess_languages_says_what_to_install_when_guesslang_is_missing(tmp_path: Path) -> None:
    code = (
        "import runpy, sys; sys.modules['guesslang'] = None; runpy.run_module('guess_languages', run_name='__main__')"
    )

    done = _start("-c", code, folder=tmp_path)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "pip install --no-deps guesslang==2.2.1" in done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_readme_of_the_examples_names_each(name: str) -> None:
    assert f"]({name}.py)" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert f"python examples/{name}.py" in (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
