"""Processes of one machine that want the same model at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .processes import ROOT, TIMEOUT_S
from .serving import CountingHub

PROCESSES = 6
PROGRAM = """
import sys
import rehub as hub
print("ready", flush=True)
sys.stdin.readline()
print(hub.resolve(sys.argv[1]))
"""


def test_processes_of_one_machine_share_one_download(hub_folder: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT / "src"), "TFHUB_CACHE_DIR": str(tmp_path)}
    with CountingHub(hub_folder) as server:
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, f"{server.url}/acme/numbers/1"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for _ in range(PROCESSES)
        ]
        try:
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
            for worker in workers:  # all wait here, so that they begin together
                assert worker.stdin is not None
                worker.stdin.write("\n")
                worker.stdin.flush()
            paths = [worker.communicate(timeout=TIMEOUT_S)[0].strip() for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()
    (path,) = set(paths)
    assert (Path(path) / "saved_model.pb").is_file()
    assert server.requests == ["/acme/numbers/1"]
