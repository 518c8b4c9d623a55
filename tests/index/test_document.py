"""The examples and commands of docs/batch.md do what it says, and the example of semantic search what it claims."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from pyarrow import csv

from rehub.cli.main import main

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "batch.md").read_text(encoding="utf-8")


class Words(tf.Module):
    """string[?] -> float32[?, 64]: which words there are."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        words = tf.strings.split(texts)
        return tf.reduce_sum(tf.one_hot(tf.strings.to_hash_bucket_fast(words, 64).to_tensor(-1), 64), axis=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with what the document names."""
    monkeypatch.chdir(tmp_path)
    tf.saved_model.save(Words(), "sentences")
    lines = ("text", "the soup was cold", "a fine evening", "never again", "so good and so cheap")
    Path("reviews.csv").write_text("\n".join(lines))
    return tmp_path


def test_commands_and_examples_of_the_document_work_as_they_are_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    for line in "".join(commands).splitlines():
        with pytest.raises(SystemExit) as exit_:
            main(shlex.split(line)[1:])
        assert exit_.value.code == 0
    assert "the soup was cold" in capsys.readouterr().out

    blocks = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    (pipeline,) = [block for block in blocks if "ray.data" in block]
    code = "".join(block for block in blocks if block != pipeline)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "batch.md", "exec"), {})
    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 3
    assert printed.getvalue().splitlines() == promised
    _check_pipeline(pipeline, folder)


def _check_pipeline(code: str, folder: Path) -> None:
    """Runs the pipeline of Ray Data, which has a process of its own, with folders in place of buckets."""
    places = {
        "s3://BUCKET/data": "data.parquet",
        "https://HUB/PUBLISHER/MODEL/1": "sentences",
        "s3://BUCKET/out": "out",
    }
    for place, path in places.items():
        assert code.count(f'"{place}"') == 1
        code = code.replace(place, str(folder / path))
    pq.write_table(csv.read_csv("reviews.csv"), "data.parquet")
    ray = "import ray\nray.init(num_cpus=2, include_dashboard=False, object_store_memory=100_000_000)\n"
    subprocess.run(
        [sys.executable, "-c", f"{ray}import rehub as hub\n{code}"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"},
        check=True,
        timeout=300,
    )

    found = pq.read_table("out").to_pylist()
    assert [len(row["output"]) for row in found] == [64] * 4
    assert {row["error"] for row in found} == {None}


def test_example_of_semantic_search_finds_sentences_of_the_topic(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "semantic_search.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "│"]
    topics = {question: topic for question, topic, *_ in rows if question}
    assert topics == {
        "shortest way between two nodes": "graphs",
        "blur a photograph": "images",
        "find the minimum of a function": "optimisation",
    }
    found = re.search(r"same topic for (\d+)% of", done.stdout)
    assert found is not None
    assert int(found[1]) > 70  # by chance, some 20
    assert list(tmp_path.iterdir()) == []
