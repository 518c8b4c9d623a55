"""The process that runs a model which somebody tries. It does what `rehub.server.trial_process` asks, and ends with it.

What visitors send is read here and nowhere else: texts, and the bytes of pictures.
"""

from __future__ import annotations

import contextlib
import math
import operator
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rehub import configuration
from rehub.errors import HubError
from rehub.publish.probe_facts import told
from rehub.runtime import reusable
from rehub.runtime.load import load
from rehub.runtime.tf_version import import_tensorflow
from rehub.server.picture import UnreadableError, read_picture
from rehub.server.trial_frames import read_frame, write_frame

_BEST = 5
_VALUES = 64
_LABEL_LETTERS = 80
_LATE_S = 10.0
"""How long after the hub should have ended it this process ends itself, in case the hub is no more."""


def answer(values: Mapping[str, Any], picture: bytes, models: dict[str, Callable[[Any], Any]]) -> tuple[Any, bytes]:
    """Returns the answer to one message.

    Args:
        values: The attributes of a `rehub.server.trial.Trial`, with the ``folder`` of the model and ``texts``.
        picture: A file; empty for texts.
        models: What is loaded, by its folder; more is added.
    """
    folder = values["folder"]
    try:
        if folder not in models:
            models[folder] = _model(folder, values)
        if values["texts"]:
            vectors, seconds = _vectors(models[folder], values["texts"], values["dtype"])
            return {**_similarities(vectors), "seconds": seconds}, b""
        image, seen = read_picture(picture, *values["image_size"])
        batch = (image * 255).round() if values["dtype"] == "uint8" else image
        vectors, seconds = _vectors(models[folder], batch[None], values["dtype"])
    except UnreadableError as error:
        return {"error": str(error)}, b""
    except MemoryError:
        return {"error": "It needs more memory than this hub gives it."}, b""
    except HubError as error:
        return {"error": error.message.replace(folder, "the model")}, b""
    except Exception as error:  # noqa: BLE001 - whatever the ops of a model raise
        if type(error).__name__ == "ResourceExhaustedError":
            return {"error": "It needs more memory than this hub gives it."}, b""
        return {"error": f"It failed: {told(error)}.".replace(folder, "the model")}, b""
    is_of_classes = values["task"] == "image-classification"
    found = _classes(vectors[0], _labels(values)) if is_of_classes else _features(vectors[0])
    return {**found, "seconds": seconds}, seen


def _model(folder: str, values: Mapping[str, Any]) -> Callable[[Any], Any]:
    with configuration.settings(op_policy="refuse", op_policy_allow=(), offline=True):
        model = load(folder, values["tags"] or None)
    signature, output = values["signature"], values["output"]
    if signature:
        # By way of the loaded object, which holds the variables, and would take them away with it.
        return lambda batch: model.signatures[signature](**{values["input"]: batch})[output]
    return lambda batch: _called(model, batch)


def _called(model: Any, batch: Any) -> Any:
    """Calls a model as it was traced for inference: what it takes besides has the values of then."""
    for function in reusable.functions_in_mode(model.__call__, reusable.concrete_functions(model), training=False):
        (first, *others), named = function.structured_input_signature
        if getattr(first, "dtype", None) == batch.dtype and first.shape.is_compatible_with(batch.shape):
            return model(batch, *others, **named)
    return model(batch)


def _vectors(model: Callable[[Any], Any], batch: Any, dtype: str) -> tuple[list[list[float]], float]:
    """Returns a vector for each example, and how long that took."""
    tf = import_tensorflow()
    begun = time.perf_counter()
    output = tf.convert_to_tensor(model(tf.constant(batch, dtype))).numpy()
    seconds = time.perf_counter() - begun
    if output.ndim != 2 or len(output) != len(batch) or not output.size:
        raise HubError(f"It returned numbers of the shape {list(output.shape)} for {len(batch)} examples.")
    vectors: list[list[float]] = output.astype("float64").tolist()
    if not all(math.isfinite(number) for vector in vectors for number in vector):
        raise HubError("It returned numbers that are not finite.")
    return vectors, seconds


def _similarities(vectors: Sequence[Sequence[float]]) -> dict[str, Any]:
    units = []
    for vector in vectors:
        norm = math.hypot(*vector) or 1.0
        units.append([number / norm for number in vector])
    cosines = [[sum(map(operator.mul, one, other)) for other in units] for one in units]
    return {"matrix": [[min(max(each, -1.0), 1.0) for each in row] for row in cosines], "width": len(vectors[0])}


def _classes(vector: Sequence[float], labels: Sequence[str]) -> dict[str, Any]:
    are_logits = min(vector) < 0 or abs(sum(vector) - 1) > 1e-2
    shares = vector
    if are_logits:
        largest = max(vector)
        powers = [math.exp(number - largest) for number in vector]
        total = sum(powers)
        shares = [power / total for power in powers]
    names = labels if len(labels) == len(vector) else [""] * len(vector)
    best = sorted(range(len(vector)), key=lambda number: -shares[number])[:_BEST]
    return {
        "best": [(number, names[number], shares[number]) for number in best],
        "count": len(vector),
        "are_logits": are_logits,
    }


def _features(vector: Sequence[float]) -> dict[str, Any]:
    return {"values": vector[:_VALUES], "width": len(vector), "norm": math.hypot(*vector)}


def _labels(values: Mapping[str, Any]) -> list[str]:
    """The names of the classes; none where their file cannot be read."""
    if not values["labels"]:
        return []
    try:
        text = Path(values["folder"], values["labels"]).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []
    return [line.strip()[:_LABEL_LETTERS] for line in text.strip("\n").split("\n")]


def _limit(memory_bytes: int) -> None:
    """Takes the right to write files from this process, and to take much more memory than it has now."""
    try:
        import resource
    except ImportError:  # on Windows
        return
    os.nice(5)
    kinds = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:  # only Linux tells it
        pass
    else:
        kinds[resource.RLIMIT_AS] = pages * os.sysconf("SC_PAGE_SIZE") + memory_bytes
    for kind, most in kinds.items():
        resource.setrlimit(kind, (most, most))


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Limits what one answer may take."""
    if not hasattr(signal, "setitimer"):  # on Windows
        yield
        return
    import resource

    signal.setitimer(signal.ITIMER_REAL, seconds + _LATE_S)
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + (seconds + _LATE_S) * (os.cpu_count() or 1)) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # ops of a model may print
    import_tensorflow()
    _limit(int(sys.argv[1]))
    models: dict[str, Callable[[Any], Any]] = {}
    while (job := read_frame(sys.stdin.buffer)) is not None:
        with _limited(job[0]["time_s"]):
            write_frame(answers, *answer(*job, models))


if __name__ == "__main__":
    _main()
