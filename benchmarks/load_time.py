"""A layer loads in half the time of the SavedModel that Keras 2 saved, at most: it loads what it uses."""

from __future__ import annotations

from benchmarks.exports import export
from benchmarks.measuring import Contender, Measurement, Setting, middle

TITLE = "Load time"
TELLING = "BERT base, layer / tf.saved_model.load"
METHOD = (
    "`hub.KerasLayer(path)` against `tf.saved_model.load(path)`, in turn in one process, with TensorFlow 2.21 and "
    "Keras 3. The models are saved by Keras 2 with random weights: EfficientNetB0, 21 MB of variables, and a text "
    "encoder of the size of BERT base, 434 MB. Both: a layer whose `resolved_object` is read, too."
)


def measure(setting: Setting) -> list[Measurement]:
    measurements = []
    for kind, name in (("EfficientNetB0-saved", "EfficientNetB0"), ("BERT-saved", "BERT base")):
        with Contender(setting.keras(3), "model_loading", export(setting, 2, kind)) as contender:
            runs = [contender.ask(layer_first=place % 2 == 0) for place in range(setting.rounds_or(10))]
        whole = middle(runs, "whole")
        for field, what, limit in (("layer", "layer", 0.5), ("both", "layer and resolved_object", None)):
            values = [run[field] / run["whole"] for run in runs]
            detail = f"{middle(runs, field):.2f} s, {whole:.2f} s"
            measurements.append(
                Measurement(f"{name}, {what} / tf.saved_model.load", values, limit=limit, detail=detail)
            )
    return measurements
