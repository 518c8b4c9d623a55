"""What of a model can be tried on its page: those that have one of the common signatures for texts and images.

Source: the common signatures of TensorFlow Hub for texts and images.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

from rehub.formats.manifest import ManifestFile
from rehub.server.description import Description
from rehub.server.views_interface import Example, Interface
from rehub.signature import TensorSpec
from rehub.words import size

Task = Literal["text-embedding", "image-classification", "image-feature-vector"]
"""As in model cards."""

SIZE_LIMIT_BYTES = 2 << 30
"""A larger model is not tried: it would take a hub too much memory."""

_USUAL_SIZE = (224, 224)
_LARGEST_SIDE = 1024
_LABELS = re.compile(r"assets/(?:[^/]*/)*[^/]*(?:label|class)[^/]*\.txt", re.IGNORECASE)
_LABELS_LIMIT_BYTES = 4 << 20
_SIGNATURES: Mapping[Task, str] = {
    "image-classification": "image_classification",
    "image-feature-vector": "image_feature_vector",
}


@dataclasses.dataclass(frozen=True)
class Trial:
    """How a model is tried.

    Attributes:
        task: What it is for.
        signature: The signature to call; empty for the model itself.
        input: The name of the signature's input.
        dtype: Of the input.
        output: The name of the signature's output.
        tags: What its graph has to be chosen by; empty where there is no choice.
        image_size: Height and width of its images; zeros for texts.
        labels: The file with the names of its classes, a line for each; empty without one.
        refusal: Why it is not tried although it could be; empty if it is.
    """

    task: Task
    signature: str
    input: str
    dtype: str
    output: str
    tags: tuple[str, ...]
    image_size: tuple[int, int]
    labels: str
    refusal: str

    @property
    def takes_texts(self) -> bool:
        """Whether it is tried with sentences, and not with a picture."""
        return self.task == "text-embedding"


def trial_of(described: Description) -> Trial | None:
    """Returns how a version is tried; None if nothing is known to do with it.

    The tasks of its card count. Without any, a model of images is one of classes if its files name them.
    """
    interface = described.interface
    if interface is None:
        return None
    labels = _labels(described)
    for task in _tasks(described, has_labels=bool(labels)):
        for way in _ways(interface, task):
            spec = _input(way)
            if spec is None or not (_is_text(spec) if task == "text-embedding" else _is_image(spec)):
                continue
            if way.output is None or not _is_vector(way.output):
                continue
            return Trial(
                task,
                way.signature,
                spec.name if way.signature else "",
                spec.dtype,
                way.output.name if way.signature else "",
                way.tags,
                (0, 0) if task == "text-embedding" else _size(interface, spec),
                labels if task == "image-classification" else "",
                _refusal(described, interface),
            )
    return None


def _tasks(described: Description, *, has_labels: bool) -> Iterator[Task]:
    named = described.card.tasks
    for task in get_args(Task):
        names_classes = has_labels or any(way.signature == _SIGNATURES.get(task) for way in _all_ways(described))
        if task in named or (not named and (task != "image-classification" or names_classes)):
            yield task


def _all_ways(described: Description) -> tuple[Example, ...]:
    return described.interface.ways if described.interface else ()


def _ways(interface: Interface, task: Task) -> Iterator[Example]:
    """The signature that is for the task, and what is meant to be called else."""
    yield from (way for way in interface.ways if way.signature == _SIGNATURES.get(task))
    yield interface.example


def _input(way: Example) -> TensorSpec | None:
    """The only tensor that goes in."""
    inputs = list(way.inputs.values()) if way.signature else [way.inputs]
    return inputs[0] if len(inputs) == 1 and isinstance(inputs[0], TensorSpec) else None


def _is_text(spec: TensorSpec) -> bool:
    return spec.kind == "dense" and spec.dtype == "string" and spec.shape in (None, (None,))


def _is_image(spec: TensorSpec) -> bool:
    shape = spec.shape
    is_number = spec.dtype == "uint8" or spec.dtype.startswith(("float", "bfloat"))
    is_batch = shape is not None and len(shape) == 4 and shape[0] is None and shape[3] in (3, None)
    return spec.kind == "dense" and is_number and is_batch


def _is_vector(spec: TensorSpec) -> bool:
    is_number = spec.dtype.startswith(("float", "bfloat"))
    return spec.kind == "dense" and is_number and (spec.shape is None or len(spec.shape) == 2)


def _size(interface: Interface, spec: TensorSpec) -> tuple[int, int]:
    height, width = (spec.shape or (None,) * 4)[1:3]
    found = interface.image_size or ((height, width) if height and width else _USUAL_SIZE)
    return found if max(found) <= _LARGEST_SIDE else _USUAL_SIZE


def _labels(described: Description) -> str:
    """The file that the card names, else the first one that is called so."""
    files = {file.name: file for file in described.files}
    named = described.card.others.get("labels", ())
    found = [name for name in named if name in files] or _called_labels(described.files)
    return next((name for name in found if files[name].size_bytes <= _LABELS_LIMIT_BYTES), "")


def _called_labels(files: Sequence[ManifestFile]) -> list[str]:
    return sorted(file.name for file in files if _LABELS.fullmatch(file.name))


def _refusal(described: Description, interface: Interface) -> str:
    if interface.findings:
        ops = ", ".join(dict.fromkeys(finding.op for finding in interface.findings))
        return f"This hub runs no model that reaches out of itself, and this one does: {ops[:200]}."
    if any(need.ops for need in interface.needs):
        return "It has ops that TensorFlow does not have built in."
    if interface.missing_files:
        return "Files of it are missing."
    if described.size_bytes > SIZE_LIMIT_BYTES:
        return f"It is larger than {size(SIZE_LIMIT_BYTES)}, which is the most that this hub runs."
    return ""
