"""Training through the layer costs what training the Keras model itself costs, and a frozen trunk less."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.exports import export
from benchmarks.measuring import Contender, Measurement, Setting, interleave, middle, ratios

TITLE = "Training step"
TELLING = "Keras 3, fit, trainable, time, rehub / native"
METHOD = (
    "EfficientNetB0 as a trunk under one dense layer, 8 images of 224 x 224, every contender in a process of its own; "
    "`fit` without XLA. Memory is the peak of resident memory during tracing and all steps, less what was resident "
    "before."
)
_STARTS = 2  # memory differs from process to process, and is measured once in each


def measure(setting: Setting) -> list[Measurement]:
    measurements = []
    for version in (3, 2):
        keras = f"Keras {version}"
        measurements += _compare(setting, version, "native", "trainable", f"{keras}, fit, trainable", (1.05, None))
        measurements += _compare(setting, version, "native", "frozen", f"{keras}, fit, frozen", (1, 1))
    for version in (3, 2):
        what = f"Keras {version}, eager tape, frozen"
        measurements += _compare(setting, version, "tensorflow_hub", "tape", what, (1 / 3, 0.5))
    return measurements


def _compare(
    setting: Setting, version: int, other: str, mode: str, what: str, limits: tuple[float, float | None]
) -> list[Measurement]:
    folder = export(setting, version, "EfficientNetB0")
    pythons = {"rehub": setting.keras(version), other: setting.keras(version) if other == "native" else setting.peer}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    ends: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    for _ in range(1 if setting.quick else _STARTS):
        with ExitStack() as stack:
            contenders = {
                name: stack.enter_context(
                    Contender(
                        python, "training", name, mode, folder, legacy_keras=version == 2 or name == "tensorflow_hub"
                    )
                ).ask
                for name, python in pythons.items()
            }
            for name, results in interleave(contenders, setting.rounds_or(6)).items():
                runs[name] += results
                ends[name].append(results[-1])
    return [
        Measurement(
            f"{what}, time, rehub / {other}",
            ratios(runs["rehub"], runs[other], "seconds"),
            limit=limits[0],
            detail=f"{middle(runs['rehub'], 'seconds') * 1e3:.0f} ms, {middle(runs[other], 'seconds') * 1e3:.0f} ms",
        ),
        Measurement(
            f"{what}, memory, rehub / {other}",
            ratios(ends["rehub"], ends[other], "peak_bytes"),
            limit=limits[1],
            detail=f"{middle(ends['rehub'], 'peak_bytes') / 1e6:.0f} MB, "
            f"{middle(ends[other], 'peak_bytes') / 1e6:.0f} MB",
        ),
    ]
