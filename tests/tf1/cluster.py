"""Runs the programs of `parameter_server` on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240

# The document "Migrating from TF1 to TF2 with TensorFlow Hub" quotes it.
MISSING_DEVICE = "Assigned device '/job:ps/replica:0/task:0/device:CPU:0' does not match any device"


def run_cluster(api: str, model: Path, *spellings: str) -> list[Any]:
    """Returns what the chief did with each spelling of the option: what it trained, or the message of its error."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    chief, ps = (f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)
    for each in sockets:
        each.close()

    def start(role: str) -> subprocess.Popen[str]:
        tf_config = {"cluster": {"chief": [chief], "ps": [ps]}, "task": {"type": role, "index": 0}}
        return subprocess.Popen(
            [sys.executable, "-m", "tests.tf1.parameter_server", api, str(model), *spellings],
            stdout=subprocess.PIPE if role == "chief" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if role == "chief" else subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TF_CONFIG": json.dumps(tf_config), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    with start("ps") as server, start("chief") as program:
        try:
            printed, complaints = program.communicate(timeout=TIMEOUT_S)
        finally:
            program.kill()
            server.kill()
    assert program.returncode == 0, complaints
    return [json.loads(line) for line in printed.splitlines()[-len(spellings) :]]
