"""Interleaved measurements of processes, and what they come to."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured, once for each round.

    Attributes:
        what: Names it for the reader.
        values: One for each round.
        unit: Of the values; empty for ratios.
        limit: The most that the median may be to keep the claim; None if there is none.
        detail: What the numbers behind are.
    """

    what: str
    values: Sequence[float]
    unit: str = ""
    limit: float | None = None
    detail: str = ""

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    @property
    def keeps_claim(self) -> bool | None:
        """Whether the median is within the limit; None without a limit."""
        return None if self.limit is None else self.median <= self.limit


@dataclasses.dataclass(frozen=True)
class Setting:
    """How to measure.

    Attributes:
        folder: An empty folder for models and caches.
        rounds: How many rounds; None for each benchmark's own number.
        quick: Whether it only has to be seen to work: few rounds, small models.
    """

    folder: Path
    rounds: int | None = None
    quick: bool = False

    def rounds_or(self, usual: int) -> int:
        """The number of rounds, where the benchmark's own is ``usual``."""
        return self.rounds or (2 if self.quick else usual)

    @property
    def peer(self) -> list[str]:
        """The Python with tensorflow_hub."""
        return _python("REHUB_PEER_PYTHON", "tensorflow_hub 0.16.1")

    @property
    def tf_2_15(self) -> list[str]:
        """The Python with TensorFlow 2.15 and tensorflow_hub 0.15.0."""
        return _python("REHUB_TF215_PYTHON", "TensorFlow 2.15 and tensorflow_hub 0.15.0")

    @property
    def downloaders(self) -> list[str]:
        """The Python with kagglehub and huggingface_hub."""
        return _python("REHUB_DOWNLOADERS_PYTHON", "kagglehub and huggingface_hub")

    @property
    def scale(self) -> list[str]:
        """The Python with Ray and pyarrow."""
        return _python("REHUB_SCALE_PYTHON", "Ray and pyarrow")

    def on_backend(self, name: str) -> list[str]:
        """The Python with Keras 3 on a backend: ``jax`` or ``torch``."""
        python = _python(f"REHUB_KERAS_{name.upper()}_PYTHON", f"Keras 3 and {name}")
        return ["env", f"KERAS_BACKEND={name}", *python]

    def keras(self, version: int) -> list[str]:
        """The Python with a version of Keras: this one for Keras 3."""
        return [sys.executable] if version == 3 else _python("REHUB_KERAS2_PYTHON", "tf_keras")


def _python(variable: str, what: str) -> list[str]:
    if not os.environ.get(variable):
        raise click.UsageError(f"{variable} names no Python with {what}. Run: make benchmark")
    return [os.environ[variable]]


# Installed packages come compiled; here some are not, or Python may not write beside the sources.
_bytecode = tempfile.TemporaryDirectory(prefix="rehub-bytecode-")


def environment(*, legacy_keras: bool = False, **more: str) -> dict[str, str]:
    """The environment of a measured process: no GPU, quiet, and modules found from any Python."""
    return {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": _bytecode.name,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "PYTHONWARNINGS": "ignore",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_USE_LEGACY_KERAS": "1" if legacy_keras else "0",
        "REHUB_PROGRESS": "0",
        **more,
    }


def run(command: Sequence[str | Path], *, legacy_keras: bool = False, **more: str) -> str:
    """Runs a process to its end and returns what it prints; what it complains of is shown if it fails.

    Args:
        command: The program and its arguments.
        legacy_keras: Whether ``tf.keras`` is Keras 2 there.
        **more: Further environment variables.
    """
    done = subprocess.run(
        command, cwd=ROOT, env=environment(legacy_keras=legacy_keras, **more), capture_output=True, text=True
    )
    if done.returncode:
        raise click.ClickException(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout


class Contender:
    """A process that measures one thing each time it is asked; see `benchmarks.contenders.answering`.

    Args:
        python: The command of the Python to run it with.
        module: The name of a module in `benchmarks.contenders`.
        *arguments: Its command line.
        legacy_keras: Whether ``tf.keras`` is Keras 2 there.
    """

    def __init__(self, python: list[str], module: str, *arguments: object, legacy_keras: bool = False) -> None:
        self._name = " ".join([module, *map(str, arguments)])
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            [*python, "-m", f"benchmarks.contenders.{module}", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            cwd=ROOT,
            env=environment(legacy_keras=legacy_keras),
        )

    def __enter__(self) -> Contender:
        self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()
        self._complaints.close()

    def ask(self, **arguments: Any) -> dict[str, float]:
        """Measures once."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            raise click.ClickException(f"{self._name} failed:\n{self._complaints.read().decode(errors='replace')}")
        values: dict[str, float] = json.loads(line)
        return values


def interleave(
    contenders: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int
) -> dict[str, list[dict[str, float]]]:
    """Measures all contenders once in each round, in an order that changes, so that noise meets them alike."""
    names = list(contenders)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for place in range(rounds):
        for name in names if place % 2 == 0 else reversed(names):
            results[name].append(dict(contenders[name]()))
    return results


def ratios(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]], field: str) -> list[float]:
    """Ours by theirs, round by round."""
    return [our[field] / their[field] for our, their in zip(ours, theirs, strict=True)]


def middle(results: Sequence[Mapping[str, float]], field: str) -> float:
    """The median of one field over all rounds."""
    return statistics.median(result[field] for result in results)
