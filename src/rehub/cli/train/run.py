"""What both commands do around a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rehub.cli import output

if TYPE_CHECKING:
    from rehub.train import Result


def prepare(seed: int) -> None:
    """Starts TensorFlow so that a training gives the same numbers each time, where there is no GPU.

    On a GPU some operations can give them only slowly, and others not at all.
    """
    from rehub.runtime.tf_version import import_quietly

    tf = import_quietly()
    if not tf.config.list_physical_devices("GPU"):
        tf.random.set_seed(seed)
        tf.config.experimental.enable_op_determinism()


def show(train: Callable[[], Result], *, as_json: bool) -> None:
    """Trains, and prints how good the classifier is."""
    result = train()
    if as_json:
        output.write_json({"folder": str(result.folder), **result.metrics})
    else:
        rows = [
            (each["name"], f"{each['training']:,}", f"{each['validation']:,}", *map(_share, _of(each)))
            for each in result.metrics["classes"]
        ]
        headings = ("CLASS", "TRAINED WITH", "VALIDATION", "PRECISION", "RECALL", "F1")
        output.write_table(rows, headings=headings, right=range(1, 6))
        chance = result.metrics["accuracy_of_the_commonest_class"]
        output.tell(f"Accuracy {result.accuracy:.3f}; always the commonest class: {chance:.3f}.")
        output.tell(f"Written: {result.folder}")
    if result.tflite_problem:
        output.tell_warning(f"no file for LiteRT: {result.tflite_problem}")


def _of(row: dict[str, float | None]) -> tuple[float | None, ...]:
    return row["precision"], row["recall"], row["f1"]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
