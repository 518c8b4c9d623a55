"""The old library's variables and flags mean what they meant there. Both are asked in one process of the peer's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "src"
QUESTIONS = """
import json, os, sys
from absl import flags
import tensorflow_hub
from tensorflow_hub import resolver
import rehub
from rehub import configuration

def ask(variables, values, parse=None):
    for name in list(os.environ):
        if name.startswith("TFHUB_"):
            del os.environ[name]
    os.environ.update(variables)
    flags.FLAGS.unparse_flags()
    for name in ("tfhub_cache_dir", "tfhub_model_load_format"):
        flags.FLAGS[name].unparse()
    for name, value in values.items():
        setattr(flags.FLAGS, name, value)
    if parse is not None:
        flags.FLAGS(["program", *parse])
    old = resolver.HttpResolverBase()
    old._maybe_disable_cert_validation()
    new = configuration.current()
    return [
        [resolver.tfhub_cache_dir(), resolver.model_load_format(), old._context.check_hostname],
        [new.cache_dir, new.load_format, new.verify_tls],
    ]

cases = json.load(sys.stdin)
json.dump([ask(*case) for case in cases], sys.stdout)
"""
CACHE, FORMAT, CERTIFICATES = "TFHUB_CACHE_DIR", "TFHUB_MODEL_LOAD_FORMAT", "TFHUB_DISABLE_CERT_VALIDATION"
CASES: list[tuple[dict[str, str], dict[str, str], list[str] | None]] = [
    ({}, {}, None),
    ({}, {}, []),
    ({CACHE: "variable"}, {}, None),
    ({CACHE: "variable"}, {}, ["--tfhub_cache_dir=flag"]),
    ({CACHE: ""}, {}, ["--tfhub_cache_dir=flag"]),
    ({}, {}, ["--tfhub_cache_dir=flag", "--tfhub_model_load_format=UNCOMPRESSED"]),
    ({}, {"tfhub_cache_dir": "set", "tfhub_model_load_format": "COMPRESSED"}, None),
    ({FORMAT: "UNCOMPRESSED"}, {}, ["--tfhub_model_load_format=COMPRESSED"]),
    ({FORMAT: "COMPRESSED"}, {}, None),
    ({FORMAT: ""}, {}, None),
    ({CERTIFICATES: "true"}, {}, None),
    ({CERTIFICATES: "false"}, {}, None),
    ({CERTIFICATES: ""}, {}, None),
]


FLAGS = """
import json, sys
from absl import flags
from rehub import configuration

try:
    flags.FLAGS(["program", "--tfhub_model_load_format=nonsense"])
except flags.IllegalFlagValueError:
    unknown = True
flags.FLAGS(["program", *json.load(sys.stdin)])
settings = configuration.current()

from tensorflow_hub import resolver
flags.FLAGS.tfhub_cache_dir = "again"
json.dump({
    "ours": [settings.cache_dir, settings.load_format],
    "unknown": unknown,
    "theirs": [resolver.tfhub_cache_dir(), configuration.current().cache_dir],
}, sys.stdout)
"""


def _run(python: Path, code: str, given: object) -> Any:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("TFHUB_", "REHUB_", "PYTHON"))
    }
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code],
        input=json.dumps(given),
        env={**environment, "PYTHONPATH": str(SOURCE), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def answers(peer_python: Path) -> list[list[list[object]]]:
    found: list[list[list[object]]] = _run(peer_python, QUESTIONS, CASES)
    return found


@pytest.mark.parametrize("number", range(len(CASES)), ids=[str(case) for case in CASES])
def test_settings_are_those_of_the_old_library(number: int, answers: list[list[list[object]]]) -> None:
    old, new = answers[number]
    assert new == old


def test_flags_are_there_without_the_old_library_and_do_not_hinder_it(peer_python: Path) -> None:
    arguments = ["--tfhub_cache_dir=flag", "--tfhub_model_load_format=UNCOMPRESSED"]
    answer = _run(peer_python, FLAGS, arguments)
    assert answer == {"ours": ["flag", "UNCOMPRESSED"], "unknown": True, "theirs": ["again", "again"]}
