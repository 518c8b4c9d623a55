"""Training through the layer where Keras runs on JAX or PyTorch, beside the same network native there."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.exports import export
from benchmarks.measuring import Contender, Measurement, Setting, interleave, middle, ratios

TITLE = "Training step on JAX and PyTorch"
TELLING = "Keras 3 on torch, MobileNetV2, trainable, time, rehub / native"
METHOD = (
    "A trunk under one dense layer, 8 examples, `fit` as it comes, every contender in a process of its own: "
    "MobileNetV2 with images of 96 x 96, and one dense layer, where the way between the frameworks is all that counts. "
    "Reported without a limit: TensorFlow computes the trunk whatever Keras runs on."
)


def measure(setting: Setting) -> list[Measurement]:
    return [_compare(setting, backend, model) for backend in ("jax", "torch") for model in ("MobileNetV2", "tiny")]


def _compare(setting: Setting, backend: str, model: str) -> Measurement:
    folder = export(setting, 3, model)
    python = setting.on_backend(backend)
    with ExitStack() as stack:
        contenders = {
            kind: stack.enter_context(Contender(python, "backend_training", kind, model, folder)).ask
            for kind in ("rehub", "native")
        }
        runs = interleave(contenders, setting.rounds_or(6))
    return Measurement(
        f"Keras 3 on {backend}, {model}, trainable, time, rehub / native",
        ratios(runs["rehub"], runs["native"], "seconds"),
        detail=", ".join(f"{middle(runs[kind], 'seconds') * 1e3:.1f} ms" for kind in ("rehub", "native")),
    )
