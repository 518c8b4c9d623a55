"""The model that is trained: a trunk, and a linear head on its standardised features."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from rehub.train.inputs import decode, fitted
from rehub.train.trunk import Trunk

SCORES = "scores"
"""The signature without texts, which LiteRT does not have."""

_SMALLEST_VARIANCE = 1e-3
"""As a share of the mean variance: a feature that hardly ever changes is not blown up."""


class Head(tf.Module):  # type: ignore[misc]
    """Logistic regression. It starts at zero, so nothing about its training is left to chance.

    Args:
        width: How many features there are.
        classes: How many classes.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.mean = tf.Variable(tf.zeros([width]), trainable=False, name="feature_mean")
        self.scale = tf.Variable(tf.ones([width]), trainable=False, name="feature_scale")
        self.dense = tf.keras.layers.Dense(classes, kernel_initializer="zeros", dtype="float32", name="head")
        self.dense.build([None, width])

    def __call__(self, features: Any) -> Any:
        """Returns logits ``[n, classes]`` of features ``[n, width]``."""
        return self.dense((features - self.mean) * self.scale)

    def standardise(self, mean: Any, variance: Any) -> None:
        """Lets features count by how far they are from their mean, in standard deviations."""
        self.mean.assign(mean)
        self.scale.assign(1 / tf.sqrt(variance + _SMALLEST_VARIANCE * tf.reduce_mean(variance) + 1e-12))


class Classifier(tf.Module):  # type: ignore[misc]
    """Inputs to one logit for each class: what is exported.

    Args:
        trunk: The published model.
        head: What decides.
        labels: A file with the names of the classes, one a line; it becomes an asset.
    """

    def __init__(self, trunk: Trunk, head: Head, labels: Path) -> None:
        super().__init__()
        self._trunk = _Kept(trunk)
        self.layer = trunk.layer
        self.head = head
        names = tf.lookup.TextFileInitializer(
            str(labels),
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
        )
        self.names = tf.lookup.StaticHashTable(names, "")

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """Returns logits ``[n, classes]``."""
        return self.head(self._trunk.value.features(inputs, training=training))

    def signatures(self) -> dict[str, Any]:
        """Returns what is served: scores and the name of the class, of tensors and of encoded images."""
        trunk = self._trunk.value
        name = "texts" if trunk.kind == "text" else "images"
        spec = tf.TensorSpec(trunk.spec.shape, trunk.spec.dtype, name)
        functions = {"serving_default": tf.function(self._classified, input_signature=[spec])}
        if trunk.kind == "image":
            encoded = tf.TensorSpec([None], tf.string, "image_bytes")
            functions[SCORES] = tf.function(self._scores, input_signature=[spec])
            functions["image_bytes"] = tf.function(self._decoded, input_signature=[encoded])
        return functions

    def _scores(self, inputs: Any) -> dict[str, Any]:
        logits = self(inputs)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    def _classified(self, inputs: Any) -> Mapping[str, Any]:
        scores = self._scores(inputs)
        return {**scores, "label": self.names.lookup(tf.argmax(scores["logits"], axis=1))}

    def _decoded(self, image_bytes: Any) -> Mapping[str, Any]:
        size = self._trunk.value.size
        spec = tf.TensorSpec([*size, 3], tf.float32)
        images = tf.map_fn(lambda each: fitted(decode(each), size), image_bytes, fn_output_signature=spec)
        return self._classified(images)


@dataclasses.dataclass(frozen=True)
class _Kept:
    """Holds what TensorFlow is not to look into."""

    value: Trunk


def write_labels(path: Path, classes: Sequence[str]) -> None:
    """Writes the names of classes, in the order of the outputs."""
    path.write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
