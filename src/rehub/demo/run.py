"""The main job on real data: from a model's URL to a fine-tuned model of one's own."""

from __future__ import annotations

import dataclasses
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

import rehub
from rehub.errors import DependencyError, UsageError
from rehub.runtime.tf_version import import_quietly, import_tensorflow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HUB_FOLDER = Path(__file__).parent / "hub"
MODEL = "rehub/face-features/1"
LABELS = 20
DRAWS = 5


def run(output: Path, *, seed: int = 0) -> None:
    """Loads a model by its URL, trains, fine-tunes, re-exports and loads again, and tells what comes out.

    Nothing leaves the machine: the hub that serves the model runs in this process. The cache is a fresh folder, which
    is removed at the end.

    Args:
        output: Gets ``predictions.png`` and the folder ``tuned-model``; made if missing.
        seed: Which photographs are labelled, and which are in the picture.

    Raises:
        DependencyError: If TensorFlow, or a library of ``rehub[demo]``, is missing.
        UsageError: If the folder cannot be made.
    """
    _check_dependencies()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The folder {output} cannot be made: {error.strerror}.", hint="Name another one with --output."
        ) from error
    import_quietly()
    from rehub.demo import picture
    from rehub.demo.photographs import draw, load_photographs
    from rehub.server.embedded import EmbeddedHub

    say = Console(soft_wrap=True, highlight=False).print
    photographs = load_photographs()
    with (
        EmbeddedHub(HUB_FOLDER) as hub,
        tempfile.TemporaryDirectory(prefix="rehub-demo-") as cache,
        rehub.settings(cache_dir=cache, show_progress=True, offline=False),
    ):
        url = f"{hub.url}/{MODEL}"
        say(f"A hub on this machine serves a pretrained model: {url}")
        layer = rehub.KerasLayer(url)
        say(f"hub.KerasLayer loaded it by that URL, with {len(layer.weights)} variables.")
        say(f"{len(photographs)} photographs: {LABELS} to train with, the others to test with; {DRAWS} random draws.")
        # From the cache now, each time with the published values.
        attempts = [
            _attempt(rehub.KerasLayer(url), *draw(photographs, LABELS, seed + number))
            for number in track(range(DRAWS), "Training", transient=True)
        ]
    say(_table(attempts))
    last = attempts[-1]
    folder = output / "tuned-model"
    say(f"tf.saved_model.save wrote the fine-tuned model to {folder}.")
    say(f"Loaded again from there, its predictions differ by at most {_re_export(last, folder):.1g}.")
    picture.save(output / "predictions.png", last.test, last.by_pixels, last.by_tuned, seed)
    say(f"Photographs with predictions: {output / 'predictions.png'}")


@dataclasses.dataclass(frozen=True)
class _Attempt:
    """One draw of training photographs and what it led to; probabilities are ``[n]``, in the order of `test`."""

    test: Any
    by_pixels: NDArray[np.float32]
    by_features: NDArray[np.float32]
    by_tuned: NDArray[np.float32]
    layer: Any
    model: Any


def _attempt(layer: Any, training: Any, test: Any) -> _Attempt:
    from rehub.demo import classifier

    pixels = classifier.build(classifier.flatten(), training.pixels.shape[1:])
    classifier.train(pixels, training.pixels, training.is_face)
    model = classifier.build(layer, training.images.shape[1:])
    classifier.train(model, training.images, training.is_face)
    by_features = classifier.predict(model, test.images)
    layer.trainable = True
    classifier.fine_tune(model, training.images, training.is_face)
    by_tuned = classifier.predict(model, test.images)
    return _Attempt(test, classifier.predict(pixels, test.pixels), by_features, by_tuned, layer, model)


def _re_export(attempt: _Attempt, folder: Path) -> float:
    """Saves the tuned model, loads it again and returns the largest difference between the predictions of both."""
    import numpy as np

    from rehub.demo import classifier

    import_tensorflow().saved_model.save(attempt.layer.resolved_object, str(folder))
    again = classifier.build(rehub.KerasLayer(str(folder)), attempt.test.images.shape[1:])
    again.layers[-1].set_weights(attempt.model.layers[-1].get_weights())
    return float(np.max(np.abs(classifier.predict(again, attempt.test.images) - attempt.by_tuned)))


def _table(attempts: Sequence[_Attempt]) -> Table:
    import numpy as np

    from rehub.demo import classifier

    rows: dict[str, Callable[[_Attempt], NDArray[np.float32]]] = {
        "raw pixels": lambda attempt: attempt.by_pixels,
        "features of the loaded model": lambda attempt: attempt.by_features,
        "the same, fine-tuned": lambda attempt: attempt.by_tuned,
    }
    table = Table("the same classifier on", title="Is it a face? Share of right answers")
    for heading in ("mean", "lowest", "highest"):
        table.add_column(heading, justify="right")
    for name, probabilities in rows.items():
        scores = [classifier.accuracy(probabilities(attempt), attempt.test.is_face) for attempt in attempts]
        table.add_row(name, *(f"{score:.3f}" for score in (np.mean(scores), min(scores), max(scores))))
    return table


def _check_dependencies() -> None:
    for package, name in (
        ("tensorflow", "tensorflow"),
        ("scikit-image", "skimage"),
        ("matplotlib", "matplotlib"),
        ("starlette", "starlette"),
        ("granian", "granian"),
    ):
        if importlib.util.find_spec(name) is None:
            raise DependencyError(
                f"The demonstration needs {package}, which is not installed.",
                hint="Install rehub with its extras tensorflow-cpu and demo; from a clone: "
                "pip install '.[tensorflow-cpu,demo]'",
                package=package,
            )
