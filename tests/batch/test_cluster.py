"""Workers on Ray: on this machine, and on a cluster of two nodes on the loopback addresses."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import DataError
from tests.batch.files import rows, write_parquet

_PATIENCE_S = 180
_ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
    # A dead node is noticed sooner than after the usual 20 seconds.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "PYTHONUNBUFFERED": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "REHUB_PROGRESS": "0",
}


class Slow(tf.Module):
    """int64[?] -> int64[?]: the same numbers, after some tenths of a second."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
    def __call__(self, numbers):
        product = tf.ones([300, 300])
        for _ in tf.range(150):
            product = product @ product / 300
        return numbers + tf.cast(tf.reduce_min(product) * 0, tf.int64)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "slow"
    tf.saved_model.save(Slow(), folder)
    return folder


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Sockets have paths of 107 characters at most."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _command(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rehub", "run", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_ENVIRONMENT,
    )


@contextlib.contextmanager
def _node(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A node of a cluster, with one CPU."""
    command = [str(Path(sys.executable).parent / "ray"), "start", *arguments, "--block", "--num-cpus=1"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--object-store-memory=100000000"],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_ENVIRONMENT,
        )
    try:
        yield process
    finally:
        _kill(process)


def _kill(node: subprocess.Popen[bytes]) -> None:
    """Ends all processes of a node at once, as when its machine is lost."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()


def _wait_until(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not is_so():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.1)


def _wait_until_up(node: subprocess.Popen[bytes], log: Path) -> None:
    def is_up() -> bool:
        assert node.poll() is None, log.read_text()
        return "Ray runtime started" in log.read_text()

    _wait_until(is_up, f"a node that writes to {log}")


def _free_port() -> int:
    """Below those that Ray takes for its workers."""
    for port in range(6401, 6500):
        with contextlib.suppress(OSError), socket.socket() as each:
            each.bind(("127.0.0.2", port))
            return port
    raise AssertionError


def test_run_ends_with_all_rows_once_when_a_node_is_killed(slow: Path, tmp_path: Path, short_folder: Path) -> None:
    numbers = range(200)
    data, out = write_parquet(tmp_path / "x.parquet", {"number": numbers}), tmp_path / "out"
    port = _free_port()
    address = f"127.0.0.2:{port}"
    options = ("--head", "--node-ip-address=127.0.0.2", f"--port={port}", "--include-dashboard=false")
    with _node(tmp_path / "head.log", *options, f"--temp-dir={short_folder}") as head:
        _wait_until_up(head, tmp_path / "head.log")
        with _node(tmp_path / "node.log", f"--address={address}", "--node-ip-address=127.0.0.3") as node:
            _wait_until_up(node, tmp_path / "node.log")
            arguments = ("--address", address, "--workers", "2", "--part-rows", "4")
            command = _command(slow, "--input", data, "--output", out, *arguments)
            writers = set[str]()

            def both_have_written() -> bool:
                writers.update(path.name.split(".")[3].split("-")[0] for path in out.glob(".part-*.new"))
                return len(writers) > 1 or command.poll() is not None

            _wait_until(both_have_written, "both workers")
            _kill(node)
            done_before = len(list(out.glob("part-*.parquet")))
            output, talk = command.communicate(timeout=_PATIENCE_S)

    assert command.returncode == 0, talk
    assert done_before < 50, "the node was killed too late to matter"
    assert [row["number"] for row in rows(out)] == list(numbers)
    assert [row["output"] for row in rows(out)] == list(numbers)
    assert len(list(out.glob("part-*.parquet"))) == 50
    assert output.splitlines() == [str(out)]
    assert talk.splitlines() == ["200 rows in 50 files."]


def test_run_with_several_workers_on_this_machine_tells_what_is_wrong_with_the_model(
    slow: Path, tmp_path: Path
) -> None:
    data = write_parquet(tmp_path / "x.parquet", {"number": range(8), "other": range(8)})
    command = _command(slow, "--input", data, "--output", tmp_path / "out", "--workers", "2", "--part-rows", "4")

    output, talk = command.communicate(timeout=_PATIENCE_S)

    assert (command.returncode, output) == (1, "")
    assert talk.splitlines()[0].startswith("error: It is not clear which column the input 'numbers'")
    assert [line.partition(":")[0] for line in talk.splitlines()] == ["error", "hint", "more"]
    assert not (tmp_path / "out").exists()


def test_predict_adds_columns_to_a_dataset_that_ray_reads(slow: Path, tmp_path: Path) -> None:
    program = """if True:
        import sys
        import ray
        import rehub as hub
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
        data = ray.data.read_parquet(sys.argv[1])
        hub.batch.predict(data, sys.argv[2], column="number").write_parquet(sys.argv[3])
    """
    numbers = [*range(10), None]
    data = write_parquet(tmp_path / "x.parquet", {"number": numbers, "vector": [[1.0]] * 11, "error": ["mine"] * 11})
    subprocess.run(
        [sys.executable, "-c", program, str(data), str(slow), str(tmp_path / "out")],
        env={**_ENVIRONMENT, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"},
        check=True,
        timeout=_PATIENCE_S,
    )

    found = pq.read_table(tmp_path / "out").to_pylist()
    assert {row["error"] for row in found} == {"mine"}
    *good, bad = sorted(found, key=lambda row: (row["number"] is None, row["number"]))
    assert [(row["number"], row["output"], row["error_output"]) for row in good] == [(n, n, None) for n in range(10)]
    assert (bad["number"], bad["output"]) == (None, None)
    assert "null" in bad["error_output"]


def test_run_refuses_the_output_of_another_run_and_goes_on_with_it_when_that_was_interrupted(
    slow: Path, tmp_path: Path
) -> None:
    data, out = write_parquet(tmp_path / "x.parquet", {"number": range(40)}), tmp_path / "out"
    first = _command(slow, "--input", data, "--output", out, "--part-rows", "1")
    try:
        _wait_until(lambda: any(out.glob("part-*.parquet")) or first.poll() is not None, "the first part")
        with pytest.raises(DataError, match=rf"Another run writes to '{out}' at this moment: process {first.pid} "):
            hub.batch.predict(data, slow, out, part_rows=1)
        first.send_signal(signal.SIGINT)
        _, talk = first.communicate(timeout=_PATIENCE_S)
    finally:
        first.kill()
    assert first.returncode == 130
    assert talk.strip() == f"Stopped; what is done is kept in '{out}'. The same command goes on from there."

    second = _command(slow, "--input", data, "--output", out, "--part-rows", "1")
    _, talk = second.communicate(timeout=_PATIENCE_S)

    assert re.fullmatch(r"40 rows in 40 files, \d+ of them from an earlier run\.\n", talk)
    assert [row["number"] for row in rows(out)] == list(range(40))
    assert not list(out.glob(".*"))


def test_run_tells_at_once_that_no_cluster_answers(slow: Path, tmp_path: Path) -> None:
    data = write_parquet(tmp_path / "x.parquet", {"number": [1]})
    command = _command(slow, "--input", data, "--output", tmp_path / "out", "--address", "127.0.0.1:9")

    _, talk = command.communicate(timeout=_PATIENCE_S)

    assert command.returncode == 1
    assert "No Ray cluster answers at '127.0.0.1:9'" in talk
    assert not (tmp_path / "out").exists()
