"""`rehub inspect` takes at most 0.05 of `saved_model_cli show --all`, and 300 ms for a model of 100 MB and more."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.exports import export
from benchmarks.measuring import Measurement, Setting, interleave, middle, ratios, run

TITLE = "Inspect"
TELLING = "BERT: rehub / saved_model_cli"
METHOD = (
    "Whole runs of `rehub inspect` and of `saved_model_cli show --all` of the same TensorFlow, on models with random "
    "weights: one layer, EfficientNetB0 (all as Keras 2 saves it, 4,000 objects), and 12 encoder layers of BERT's size "
    "(420 MB). The function `rehub.inspect` alone, in a fresh process that has imported it. With `--verify` all "
    "variables are read and compared with their checksums, too."
)
_FUNCTION = (
    "import sys, time, rehub; inspect = rehub.inspect; start = time.perf_counter(); inspect(sys.argv[1]); "
    "print((time.perf_counter() - start) * 1000)"
)
_REHUB = (sys.executable, "-m", "rehub", "inspect")
_PEER = (sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "show", "--all", "--dir")


def measure(setting: Setting) -> list[Measurement]:
    kinds = ("tiny",) if setting.quick else ("tiny", "EfficientNetB0-saved", "BERT-saved")
    return [measurement for kind in kinds for measurement in _measure_model(setting, kind)]


def _measure_model(setting: Setting, kind: str) -> list[Measurement]:
    folder = export(setting, 2, kind)
    contenders = {
        "rehub": functools.partial(_time, *_REHUB, folder),
        "verify": functools.partial(_time, *_REHUB, "--verify", folder),
        "function": functools.partial(_time_function, folder),
        "peer": functools.partial(_time, *_PEER, folder),
    }
    runs = interleave(contenders, setting.rounds_or(5))
    name = kind.removesuffix("-saved")
    commands = f"{middle(runs['rehub'], 'ms'):.0f} ms, {middle(runs['peer'], 'ms'):.0f} ms"
    return [
        Measurement(f"{name}: rehub / saved_model_cli", ratios(runs["rehub"], runs["peer"], "ms"), "", 0.05, commands),
        Measurement(f"{name}: the function alone", [result["ms"] for result in runs["function"]], "ms", 300),
        Measurement(f"{name}: with --verify", [result["ms"] for result in runs["verify"]], "ms"),
    ]


def _time(*command: str | Path) -> Mapping[str, float]:
    start = time.perf_counter()
    run(command)
    return {"ms": (time.perf_counter() - start) * 1000}


def _time_function(folder: Path) -> Mapping[str, float]:
    return {"ms": float(run([sys.executable, "-c", _FUNCTION, folder]))}
