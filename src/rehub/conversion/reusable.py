"""Models of TensorFlow 1 as Reusable SavedModels of TensorFlow 2."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from rehub.conversion import entry_point
from rehub.conversion.differences import Arrays
from rehub.conversion.entry_point import DEFAULT
from rehub.conversion.samples import Samples, Tally, unchanged
from rehub.conversion.tf1_session import Tf1Session
from rehub.errors import SignatureError
from rehub.model.model_info import ModelInfo
from rehub.runtime.missing_ops import load_with_ops
from rehub.runtime.tf_version import import_tensorflow


def convert(handle: str, info: ModelInfo, folder: Path, tags: Collection[str] | None, signature: str | None) -> Written:
    """Writes the SavedModel.

    Args:
        handle: The model's name for the reader.
        info: The model.
        folder: An empty folder.
        tags: The tags of the graph for inference; None for that of a module without tags, or the one that is not for
            training.
        signature: The signature that becomes the call; None for ``default``, ``serving_default`` or the only one.

    Raises:
        ConversionError: If an op cannot be part of a function of TensorFlow 2.
        SignatureError: If there is no such signature or graph, or several and none was chosen.
    """
    from rehub.runtime.lift_tf1 import lift  # the only module that cannot be imported without TensorFlow

    lifted = load_with_ops(lambda: lift(info.folder, tags, signature, handle), handle=handle)
    main = next((name for name, each in lifted.named.items() if each is lifted.main), None)
    if main is None:
        available = tuple(sorted(lifted.named))
        raise SignatureError(
            f"'{handle}' has {len(available)} signatures, and none of them is the default.",
            hint=f"Name the signature that becomes the call: {', '.join(available) or 'it has none'}.",
            handle=handle,
            available=available,
        )
    import_tensorflow().saved_model.save(lifted, str(folder), dict(lifted.signatures))
    return Written(folder, info, lifted.tags, main)


@dataclasses.dataclass(frozen=True)
class Written:
    """A SavedModel that was written.

    Attributes:
        folder: Where it is.
        info: The model of TensorFlow 1 that it was made of.
        tags: Those of its graph for inference.
        main: The signature that became the call.
    """

    folder: Path
    info: ModelInfo
    tags: Collection[str]
    main: str

    def compare(self, given: Arrays | None, tolerance: float) -> tuple[float | None, str]:
        """Compares the call and the signatures with the graph that they were made of, in a session.

        Args:
            given: Inputs of the user's for the signature that became the call, by name; None to make some.
            tolerance: The largest difference that is no error.

        Returns:
            The largest difference, None if there is nothing to compare; and why something could not be compared.

        Raises:
            ConversionError: If the difference is larger.
            SignatureError: If the user's are not the inputs of the signature.
        """
        obj = import_tensorflow().saved_model.load(str(self.folder))
        original = Tf1Session(self.info.folder, self.tags, is_module=self.info.format == "tf1_hub")
        entries = {name: original.entry(name) for name in sorted(obj.signatures)}
        tally, main = Tally(), entries[self.main]
        samples = Samples(main, given)
        called = samples.only(DEFAULT) if DEFAULT in samples.outputs else samples
        with unchanged(obj.variables):
            tally.add(called, _call(obj, called), tolerance, "the call of the converted model", str(main))
        for name, entry in entries.items():
            if entry.is_dense:
                outputs = samples if name == self.main else Samples.of_another(entry, given, main)
                with unchanged(obj.variables):
                    call = entry_point.of_signature(obj, name).call
                    tally.add(outputs, call, tolerance, f"{entry} of the converted model", str(entry))
            elif name != self.main:  # a signature of TensorFlow 2 takes them in parts
                tally.leave_out(f"{entry} takes sparse or ragged tensors, and is not the one that became the call")
        return tally.largest, tally.problem


def _call(obj: Any, samples: Samples) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
    def call(inputs: dict[str, Any]) -> Mapping[str, Any]:
        result = obj(next(iter(inputs.values())) if len(inputs) == 1 else inputs)
        return result if isinstance(result, Mapping) else {next(iter(samples.outputs)): result}

    return call
