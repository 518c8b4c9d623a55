"""``rehub train`` as a command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.conftest import save_images


def test_command_prints_how_good_each_class_is_and_tells_what_it_does(command_output: tuple[Path, str, str]) -> None:
    output, out, err = command_output

    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["CLASS", "TRAINED", "WITH", "VALIDATION", "PRECISION", "RECALL", "F1"]
    assert [row[:3] for row in rows[1:]] == [["music", "24", "6"], ["sport", "24", "6"]]
    assert "48 examples to train with and 12 for the validation, of 2 classes: music (24), sport (24)" in err
    assert "fine-tuning, epoch 2 of 2: loss" in err
    assert f"Written: {output}\n" in err


def run(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rehub", "train", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
    )


@pytest.mark.slow
def test_command_goes_on_after_a_kill_and_an_interrupt_and_comes_to_the_same_result(
    models: Path, tmp_path: Path
) -> None:
    save_images(tmp_path / "photos", {"red": 20, "blue": 20, "green": 20})
    options = (
        "image-classifier",
        "photos",
        "--handle",
        models / "colours",
        "--batch-size",
        2,
        "--epochs",
        12,
        "--json",
    )
    undisturbed = run(*options, "-o", "undisturbed", cwd=tmp_path)
    expected = json.loads(undisturbed.communicate(timeout=300)[0])
    for end in (signal.SIGKILL, signal.SIGINT):
        training = run(*options, cwd=tmp_path)
        assert training.stderr is not None
        talk = []
        for line in training.stderr:
            talk.append(line)
            if sum(" epoch " in each for each in talk) == 3:  # there are checkpoints
                break
        training.send_signal(end)
        err = "".join([*talk, training.communicate(timeout=60)[1]])
        assert training.returncode == (-signal.SIGKILL if end == signal.SIGKILL else 130), err
        assert (end == signal.SIGKILL) == ("The same command goes on from there" not in err)
        assert not (tmp_path / "photos-classifier").exists()

    found = json.loads(run(*options, cwd=tmp_path).communicate(timeout=300)[0])

    assert found["folder"] == "photos-classifier"
    assert found["epochs"] == expected["epochs"]
    weights = (tmp_path / name / "model" / "variables" for name in ("photos-classifier", "undisturbed"))
    first, second = ((each / "variables.data-00000-of-00001").read_bytes() for each in weights)
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "photos-classifier", "undisturbed"]


@pytest.mark.slow
def test_classifier_runs_in_a_process_without_rehub(command_output: tuple[Path, str, str], tmp_path: Path) -> None:
    code = (
        "import sys, tensorflow as tf\n"
        f"served = tf.saved_model.load({str(command_output[0] / 'model')!r}).signatures['serving_default']\n"
        "print(served(texts=tf.constant(['sport1 word1']))['label'].numpy()[0].decode())\n"
        "assert not any(name.startswith('rehub') for name in sys.modules)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        env=environment,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout == "sport\n"
