"""The examples of docs/distributed.md do what it says."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import rehub as hub

from . import models
from .processes import ROOT, Processes, addresses

TEXT = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
PROGRAMS = {block.split()[1]: block for block in BLOCKS if block.startswith("# ")}
GIVEN = """
import json, os
import tensorflow as tf
from tests.distribute import models
model = {model!r}
rows, targets = models.ROWS, models.TARGETS
"""
DATASET = "examples = tf.data.Dataset.from_tensor_slices((rows, targets)).batch(8)\n"
SHARDED = """
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
examples = examples.with_options(options)
"""
RESOLVER = """
cluster = tf.train.ClusterSpec(json.loads(os.environ["CLUSTER"]))
cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, rpc_layer="grpc")
"""


def test_examples_train_on_the_devices_of_one_machine(
    numbers: str, texts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "\n".join(block for block in BLOCKS if not block.startswith("# "))
    given = {
        "model": numbers,
        "texts": texts,
        "rows": models.ROWS,
        "words": models.TEXTS,
        "targets": models.TARGETS,
    }
    printed = io.StringIO()
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "distributed.md", "exec"), given)

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert printed.getvalue().splitlines() == promised
    _assert_is_tuned(tmp_path / "tuned")


@pytest.mark.slow
def test_example_trains_on_two_workers_and_goes_on(numbers: str, tmp_path: Path) -> None:
    first, after = PROGRAMS["train.py"].split("strategy = ", 1)
    code = first + GIVEN.format(model=numbers) + f"strategy = {after}"
    code = code.replace("examples = strategy", f"{DATASET}{SHARDED}examples = strategy")
    (tmp_path / "train.py").write_text(code)
    for epochs in (3, 4):
        (tmp_path / "train.py").write_text(code.replace("< 3", f"< {epochs}"))
        cluster = {"worker": addresses(2)}
        with Processes(tmp_path) as processes:
            for index in range(2):
                task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
                processes.start_file(str(index), tmp_path / "train.py", {"TF_CONFIG": json.dumps(task)})
            for index in range(2):
                assert processes.wait(str(index)) == 0, (tmp_path / f"{index}.log").read_text()
        _assert_is_tuned(tmp_path / "tuned")
        assert f'"ckpt-{epochs}"' in (tmp_path / "checkpoints" / "checkpoint").read_text().splitlines()[0]


@pytest.mark.slow
def test_example_trains_with_a_parameter_server(numbers: str, tmp_path: Path) -> None:
    first, second, *servers = addresses(4)
    cluster = json.dumps({"worker": [first, second], "ps": servers})
    code = PROGRAMS["coordinate.py"].replace("for inputs, labels in", f"{DATASET}for inputs, labels in")
    (tmp_path / "coordinate.py").write_text(GIVEN.format(model=numbers) + RESOLVER + code + "\nos._exit(0)\n")
    with Processes(tmp_path) as processes:
        processes.start("servers", "server", [cluster, "ps:0", "ps:1", "worker:0", "worker:1"], {})
        processes.start_file("coordinator", tmp_path / "coordinate.py", {"CLUSTER": cluster})
        assert processes.wait("coordinator") == 0, (tmp_path / "coordinator.log").read_text()
    _assert_is_tuned(tmp_path / "tuned")


def _assert_is_tuned(path: Path) -> None:
    assert np.any(hub.load(path).kernel.numpy() != models.Numbers().kernel.numpy())
