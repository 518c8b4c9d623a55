"""A module costs 1.05 of what its graph costs, at most, and 1.1 of the same network in TensorFlow 2 once converted.

Loading one is no slower than with tensorflow_hub.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.measuring import Contender, Measurement, Setting, middle, ratios, run

TITLE = "TF1 Hub module"
TELLING = "training step in TensorFlow 2, converted / native"
METHOD = (
    "A convolutional network of 60 blocks with batch normalisation, 38 MB of variables, as a module in the TF1 Hub "
    "format. `hub.Module` applied and run, and trained, against the same code that builds the graph without a module, "
    "in turn in one process with TensorFlow 2.21. Training steps in TensorFlow 2 of the module converted by "
    "`rehub.convert`, and of what `hub.KerasLayer` makes of it, against the same network written with `tf.Variable`, "
    "in turn in one process. `load_module_spec`, `Module` and its first application in a new "
    "graph, then the initializers, against tensorflow_hub 0.15.0, each in a process of its own with TensorFlow 2.15. "
    "Whole runs of `rehub inspect`, which needs no TensorFlow."
)


def measure(setting: Setting) -> list[Measurement]:
    folder = setting.folder / "module"
    run([*setting.keras(3), "-m", "benchmarks.contenders.module_building", folder])
    return [
        *_measure_running(setting, folder),
        *_measure_tuning(setting, folder),
        *_measure_loading(setting, folder),
        _measure_inspecting(setting, folder),
    ]


def _measure_running(setting: Setting, folder: Path) -> list[Measurement]:
    measurements = []
    with Contender(setting.keras(3), "module_running", folder) as contender:
        for mode, what in (("run", "run"), ("train", "training step")):
            runs = [contender.ask(mode=mode, module_first=place % 2 == 0) for place in range(setting.rounds_or(30))]
            values = [each["module"] / each["graph"] for each in runs]
            detail = f"{middle(runs, 'module') * 1e3:.1f} ms, {middle(runs, 'graph') * 1e3:.1f} ms"
            measurements.append(Measurement(f"{what}, module / graph", values, limit=1.05, detail=detail))
    return measurements


def _measure_tuning(setting: Setting, folder: Path) -> list[Measurement]:
    with Contender(setting.keras(3), "module_tuning", folder) as contender:
        runs = [contender.ask(first=place % 3) for place in range(setting.rounds_or(30))]
    return [
        Measurement(
            f"training step in TensorFlow 2, {name} / native",
            [each[name] / each["native"] for each in runs],
            limit=1.1,
            detail=f"{middle(runs, name) * 1e3:.1f} ms, {middle(runs, 'native') * 1e3:.1f} ms",
        )
        for name in ("converted", "lifted")
    ]


def _measure_loading(setting: Setting, folder: Path) -> list[Measurement]:
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    with (
        Contender(setting.tf_2_15, "module_loading", "rehub", folder) as rehub,
        Contender(setting.tf_2_15, "module_loading", "tensorflow_hub", folder) as peer,
    ):
        for place in range(setting.rounds_or(15)):
            turns = [(rehub, ours), (peer, theirs)]
            for contender, results in turns if place % 2 == 0 else turns[::-1]:
                results.append(contender.ask())
    return [
        Measurement(
            f"{what}, rehub / tensorflow_hub",
            ratios(ours, theirs, field),
            limit=1,
            detail=f"{middle(ours, field) * 1e3:.0f} ms, {middle(theirs, field) * 1e3:.0f} ms",
        )
        for field, what in (("load", "load and apply"), ("initialize", "load, apply and initialize"))
    ]


def _measure_inspecting(setting: Setting, folder: Path) -> Measurement:
    values = []
    for _ in range(setting.rounds_or(9)):
        start = time.perf_counter()
        run([sys.executable, "-m", "rehub", "inspect", folder])
        values.append((time.perf_counter() - start) * 1000)
    return Measurement("rehub inspect", values, "ms", 1000)
