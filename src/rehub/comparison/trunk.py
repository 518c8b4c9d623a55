"""What a model makes of the examples as a frozen trunk, and what that costs."""

from __future__ import annotations

import dataclasses
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehub import configuration
from rehub.comparison.examples import Examples
from rehub.comparison.images import ImageFitter, Size
from rehub.errors import SignatureError
from rehub.keras import KerasLayer
from rehub.resolvers.chain import resolve
from rehub.runtime.tf_version import import_tensorflow

_FEWEST_TIMED = 7
_TIMED_S = 0.1


@dataclasses.dataclass(frozen=True)
class Trunk:
    """The features of all examples, and the costs.

    Attributes:
        features: float32 ``[n, width]``.
        size_bytes: Of the model's folder.
        parameters: How many numbers its variables hold.
        load_s: How long it took to load from the disk.
        latency_s: The median time for an example, in batches.
    """

    features: NDArray[np.float32]
    size_bytes: int
    parameters: int
    load_s: float
    latency_s: float


def measure(
    handle: str | os.PathLike[str],
    options: Mapping[str, Any],
    examples: Examples,
    batch_size: int,
    image_size: Size | None,
    advance: Callable[[int], object],
) -> Trunk:
    """Loads a model and runs it on all examples.

    Args:
        handle: A path or a URL, see `rehub.resolve`.
        options: Further arguments of `KerasLayer`.
        examples: With what to run it.
        batch_size: How many examples at once.
        image_size: What images are brought to, for a model that takes all sizes.
        advance: Is told of each batch how many examples it had.

    Raises:
        SignatureError: If the model takes other inputs, or gives no vector of numbers for each.
        Exception: What loading and running the model raise.
    """
    size_bytes = _size_bytes(resolve(handle))  # which downloads it, so that loading is timed alone
    began_s = time.perf_counter()
    with configuration.settings(memo=False):
        layer = KerasLayer(handle, **{**options, "trainable": False})
    load_s = time.perf_counter() - began_s
    fitter = ImageFitter(layer, handle, options.get("signature"), image_size) if examples.are_images else _as_tensors

    def run(batch: Any, count: int) -> tuple[NDArray[np.float32], float]:
        began_s = time.perf_counter()
        output = _vectors(layer(batch), count)
        return output, time.perf_counter() - began_s

    at_once = min(batch_size, len(examples))
    first = fitter(examples.pick(0, at_once))
    run(first, at_once)  # what is done once only: TensorFlow's optimizations, memory
    parts, times_s = [], []
    for start in range(0, len(examples), batch_size):
        count = min(batch_size, len(examples) - start)
        part, time_s = run(fitter(examples.pick(start, start + count)), count)
        parts.append(part)
        times_s += [time_s] * (count == at_once)
        advance(count)
    while len(times_s) < _FEWEST_TIMED or sum(times_s) < _TIMED_S:
        times_s.append(run(first, at_once)[1])
    features = np.concatenate(parts)
    if not np.isfinite(features).all():
        raise SignatureError(
            f"The output of '{handle}' is not finite for some examples.",
            hint="See that the inputs are what its documentation asks for; or the model is damaged.",
        )
    return Trunk(
        features=features,
        size_bytes=size_bytes,
        parameters=sum(math.prod(weight.shape) for weight in layer.weights),
        load_s=load_s,
        latency_s=statistics.median(times_s) / at_once,
    )


def _size_bytes(folder: str) -> int:
    files = import_tensorflow().io.gfile  # which also reads folders that are not on this machine
    return sum(
        files.stat(os.path.join(place, name)).length  # noqa: PTH118 - may be a URL
        for place, _, names in files.walk(folder)
        for name in names
    )


def _as_tensors(inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return {name: _as_tensors(values) for name, values in inputs.items()}
    return import_tensorflow().constant(inputs) if inputs.dtype == object else inputs


def _vectors(output: Any, count: int) -> NDArray[np.float32]:
    """Returns ``[count, width]``; what has more axes than that is laid out in one."""
    if isinstance(output, Mapping):
        if "default" not in output and len(output) != 1:
            raise SignatureError(
                f"The model has several outputs: {', '.join(map(str, output))}.",
                hint="Choose one of them by the option output_key.",
                available=tuple(map(str, output)),
            )
        output = output.get("default", next(iter(output.values())))
    dtype = getattr(output, "dtype", None)
    is_array = hasattr(output, "shape") and not hasattr(output, "row_splits")
    array = _as_array(output) if is_array else np.empty(())
    if array.dtype.kind in "OSU" or array.shape[:1] != (count,):
        raise SignatureError(
            f"The model gives no vector of numbers for each of {count} examples, but {_described(output, dtype)}.",
            hint="Choose another output, or another signature, by the options output_key and signature.",
        )
    return array.reshape(count, -1).astype(np.float32)


def _as_array(tensor: Any) -> NDArray[Any]:
    if import_tensorflow().is_tensor(tensor):
        return np.asarray(tensor)
    import keras  # of Keras on JAX or PyTorch, and maybe on a GPU

    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _described(output: Any, dtype: Any) -> str:
    if dtype is None or not hasattr(output, "shape"):
        return f"a {type(output).__name__}"
    return f"{getattr(dtype, 'name', dtype)}{list(output.shape)}"
