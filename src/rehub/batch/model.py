"""A loaded model as named arrays to named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehub.batch.options import Options
from rehub.conversion.entry_point import DEFAULT, choose
from rehub.errors import SignatureError
from rehub.runtime.load import load
from rehub.runtime.tf_version import import_tensorflow
from rehub.signature import TensorSpec


class Model:
    """A model, loaded and traced once.

    Args:
        handle: A path or a URL.
        options: Which signature and outputs.

    Attributes:
        inputs: What it takes, by name.
        outputs: What it gives and is kept, by name.

    Raises:
        SignatureError: If it has no such signature or output, or one that is no plain tensor with a row for each row.
        HubError: What `rehub.load` raises.
    """

    def __init__(self, handle: str, options: Options) -> None:
        tf = import_tensorflow()
        self._entry = choose(load(handle), options.signature, handle)
        if not self._entry.is_dense:
            raise SignatureError(
                f"{self._entry} of '{handle}' takes sparse or ragged inputs, which columns cannot hold.",
                hint="Name another signature.",
                handle=handle,
            )
        self.inputs = {name: _spec(name, spec) for name, spec in self._entry.specs.items()}
        names = list(self.inputs)
        function = tf.function(lambda *inputs: self._entry.call(dict(zip(names, inputs, strict=True))), autograph=False)
        self._function = function.get_concrete_function(*self._entry.specs.values())
        given = self._function.structured_outputs
        keys = _chosen(given, options.output_keys, handle)
        self.outputs = {key: _output_spec(key, given[key], handle) for key in keys}
        self.fixed_rows = next((spec.shape[0] for spec in self.inputs.values() if spec.shape and spec.shape[0]), None)

    def __call__(self, inputs: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """Runs the model.

        Args:
            inputs: A numpy array for each input, with a row for each row.
            rows: How many these are.

        Returns:
            A numpy array, or a nest of lists for what is ragged, for each output.
        """
        tf = import_tensorflow()
        padded = self.fixed_rows is not None and rows < self.fixed_rows
        tensors = [
            tf.convert_to_tensor(_pad(inputs[name], self.fixed_rows) if padded else inputs[name], spec.dtype)
            for name, spec in self.inputs.items()
        ]
        outputs = self._function(*tensors)
        found = {}
        for key in self.outputs:
            value = outputs[key]
            if isinstance(value, tf.RaggedTensor):
                found[key] = value.to_list()[:rows]
                continue
            array = value.numpy()
            if array.shape[:1] != ((self.fixed_rows if padded else rows),):
                raise SignatureError(
                    f"The output {key!r} has shape {list(array.shape)} for {rows} rows: it has no row for each.",
                    hint="Choose another output by --output-key.",
                )
            found[key] = array[:rows]
        return found


def _pad(array: Any, rows: int | None) -> Any:
    import numpy as np

    return np.concatenate([array, np.repeat(array[-1:], (rows or 0) - len(array), axis=0)])


def _chosen(outputs: Mapping[str, Any], keys: tuple[str, ...], handle: str) -> tuple[str, ...]:
    missing = [key for key in keys if key not in outputs]
    if missing:
        raise SignatureError(
            f"'{handle}' has no output {missing[0]!r}.",
            hint=f"Choose among {', '.join(map(repr, outputs))}.",
            handle=handle,
            available=tuple(outputs),
        )
    return keys or ((DEFAULT,) if DEFAULT in outputs else tuple(outputs))


def _spec(name: str, spec: Any) -> TensorSpec:
    return TensorSpec(spec.dtype.name, None if spec.shape.rank is None else tuple(spec.shape.as_list()), name)


def _output_spec(key: str, value: Any, handle: str) -> TensorSpec:
    tf = import_tensorflow()
    is_sparse = isinstance(value, tf.SparseTensor)
    if is_sparse or value.dtype.is_complex or not hasattr(value, "shape") or value.shape.rank == 0:
        what = "sparse" if is_sparse else f"{value.dtype.name}{value.shape}"
        raise SignatureError(
            f"The output {key!r} of '{handle}' is {what}: no column can hold it.",
            hint="Choose others by --output-key.",
            handle=handle,
        )
    kind = "ragged" if isinstance(value, tf.RaggedTensor) else "dense"
    shape = None if value.shape.rank is None else tuple(value.shape.as_list())
    return TensorSpec(value.dtype.name, shape, key, kind)  # type: ignore[arg-type]
