"""Whether TensorFlow and the layer can really be imported; tried in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from rehub.cli.doctor.report import Problem, Section

_TIMEOUT_S = 300
_CODE = """
import importlib.metadata, json, os, time
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
start = time.perf_counter()
import tensorflow as tf
seconds = time.perf_counter() - start
import rehub
names = [base.__module__.partition(".")[0] for base in rehub.KerasLayer.__mro__]
keras = next(name for name in names if name != "rehub")
print(json.dumps({
    "import of TensorFlow": f"{tf.__version__}, {seconds:.1f} s",
    "devices": ", ".join(device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices()),
    "hub.KerasLayer": f"a layer of {keras} {importlib.metadata.version(keras)}",
}))
"""


def examine() -> Section:
    """Imports TensorFlow and the layer, which takes some seconds."""
    try:
        done = subprocess.run(  # noqa: S603 - this Python, and code of ours
            [sys.executable, "-W", "ignore", "-c", _CODE], capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return _failed(f"it takes more than {_TIMEOUT_S} s")
    try:
        facts = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        lines = done.stderr.strip().splitlines()
        return _failed(lines[-1] if lines else f"the process ended with {done.returncode}")
    return Section("import", facts)


def _failed(why: str) -> Section:
    problem = Problem(
        "error",
        f"TensorFlow or hub.KerasLayer cannot be imported: {why}",
        "To see more, run: python -c 'import rehub; rehub.KerasLayer'",
    )
    return Section("import", {"import of TensorFlow": "failed"}, (problem,))
