"""Calling the layer costs hardly more than calling the restored function: 1.02 in graphs, 1.15 eagerly."""

from __future__ import annotations

from benchmarks.exports import export
from benchmarks.measuring import Contender, Measurement, Setting, middle

TITLE = "Layer call"
TELLING = "Keras 3, graph"
METHOD = (
    "`hub.KerasLayer` against the restored function that it calls, in turn in one process: ResNet50 on images of "
    "224 x 224, 8 at once in a `tf.function`, 1 at once eagerly. Of a tiny model, what the layer adds to each call."
)
_LIMITS = {"graph": 1.02, "eager": 1.15}


def measure(setting: Setting) -> list[Measurement]:
    return [measurement for version in (3, 2) for measurement in _measure_keras(setting, version)]


def _measure_keras(setting: Setting, version: int) -> list[Measurement]:
    folders = [export(setting, version, kind) for kind in ("ResNet50", "tiny")]
    name = f"Keras {version}"
    measurements = []
    with Contender(setting.keras(version), "layer_call", *folders, legacy_keras=version == 2) as contender:
        for mode, rounds in (("graph", 30), ("eager", 60), ("tiny graph", 30), ("tiny eager", 30)):
            runs = [contender.ask(mode=mode, layer_first=place % 2 == 0) for place in range(setting.rounds_or(rounds))]
            layer, function = middle(runs, "layer"), middle(runs, "function")
            if mode in _LIMITS:
                values = [run["layer"] / run["function"] for run in runs]
                detail = f"{layer * 1e3:.1f} ms, {function * 1e3:.1f} ms"
                measurements.append(Measurement(f"{name}, {mode}", values, limit=_LIMITS[mode], detail=detail))
            else:
                values = [(run["layer"] - run["function"]) * 1e6 for run in runs]
                detail = f"{layer * 1e6:.0f} µs, {function * 1e6:.0f} µs"
                measurements.append(Measurement(f"{name}, {mode}: added", values, "µs", detail=detail))
    return measurements
