"""Rules about common signatures: what models for one task have in common, so that one can stand in for another.

Source: the common signatures of TensorFlow Hub for texts and images.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping

from rehub.publish.rules.rule import OBJECTS, Found, Rule
from rehub.publish.rules.subject import Subject
from rehub.publish.rules.ways import DEFAULT, Way, main_ways
from rehub.signature import TensorSpec

PREPROCESSING = "text-preprocessing"
_ENCODER_INPUTS = ("input_mask", "input_type_ids", "input_word_ids")
_HELPERS = ("bert_pack_inputs", "tokenize")
_IMAGES = frozenset({"image-feature-vector", "image-classification"})
_CHANNELS = 3


def fitting_tasks(subject: Subject) -> list[str]:
    """Returns the tasks whose common signature a model has."""
    return [task for task, problem in _PROBLEMS.items() if any(not problem(way) for way in main_ways(subject))]


def _embedding_problem(way: Way) -> str:
    if not _encoder_problem(way):
        return ""  # what encodes texts that are prepared is listed under this task, too
    return _input_problem(way, "string", 1) or _output_problem(way, 2)


def _image_problem(way: Way) -> str:
    problem = _input_problem(way, "float32", 4)
    if problem:
        return problem
    ((name, spec),) = way.inputs.items()
    if spec.shape is not None and spec.shape[-1] not in (_CHANNELS, None):
        return f"its input has {spec.shape[-1]} channels instead of {_CHANNELS}"
    if name not in (DEFAULT, "images") and way.where != "__call__" and "serving_default" not in way.where:
        return f"its input is called '{name}' instead of 'images'"
    return _output_problem(way, 2)


def _preprocessing_problem(way: Way) -> str:
    problem = _input_problem(way, "string", 1)
    return problem or _lacking("output", way.outputs, dict.fromkeys(_ENCODER_INPUTS, ("int32", 2)))


def _encoder_problem(way: Way) -> str:
    outputs = {"pooled_output": ("float32", 2), "sequence_output": ("float32", 3), DEFAULT: ("float32", 2)}
    problem = _lacking("input", way.inputs, dict.fromkeys(_ENCODER_INPUTS, ("int32", 2)))
    return problem or _lacking("output", way.outputs, outputs)


def _input_problem(way: Way, dtype: str, rank: int) -> str:
    if len(way.inputs) != 1:
        return f"it takes {len(way.inputs)} inputs instead of one"
    (spec,) = way.inputs.values()
    return "" if _fits(spec, dtype, rank) else f"its input is {spec} instead of {_pattern(dtype, rank)}"


def _output_problem(way: Way, rank: int) -> str:
    outputs = way.outputs
    spec = outputs.get(DEFAULT) or (next(iter(outputs.values())) if len(outputs) == 1 else None)
    if spec is None:
        return f"it has the outputs {', '.join(outputs) or 'none'}, and none of them is '{DEFAULT}'"
    return "" if _fits(spec, "float32", rank) else f"its output is {spec} instead of {_pattern('float32', rank)}"


def _lacking(side: str, specs: Mapping[str, TensorSpec], wanted: Mapping[str, tuple[str, int]]) -> str:
    for name, (dtype, rank) in wanted.items():
        if name not in specs:
            return f"it has no {side} '{name}'"
        if not _fits(specs[name], dtype, rank):
            return f"its {side} '{name}' is {specs[name]} instead of {_pattern(dtype, rank)}"
    return ""


def _fits(spec: TensorSpec, dtype: str, rank: int) -> bool:
    return spec.kind == "dense" and spec.dtype == dtype and (spec.shape is None or len(spec.shape) == rank)


def _pattern(dtype: str, rank: int) -> str:
    return str(TensorSpec(dtype, (None,) * rank))


def _check(task: str, problem: Callable[[Way], str], subject: Subject) -> Iterator[Found] | str:
    if subject.card is None or task not in subject.card.tasks:
        return f"no card says that the task is {task}"
    return _problems(task, problem, subject)


def _problems(task: str, problem: Callable[[Way], str], subject: Subject) -> Iterator[Found]:
    known = main_ways(subject)
    fix = f"Give it the common signature of this task, or take '{task}' out of the card."
    if not known:
        yield Found("__call__", f"the task is {task}, and the model has neither a call nor a default signature", fix)
    elif all(problem(way) for way in known):
        yield Found(known[0].where, f"the task is {task}, and {problem(known[0])}", fix)


def _helpers(subject: Subject) -> Iterator[Found] | str:
    if subject.card is None or PREPROCESSING not in subject.card.tasks:
        return f"no card says that the task is {PREPROCESSING}"
    return _missing_helpers(subject)


def _missing_helpers(subject: Subject) -> Iterator[Found]:
    (graph,) = subject.info.meta_graphs
    paths = {entry.path for entry in graph.objects}
    for name in _HELPERS:
        if name not in paths:
            yield Found(
                name,
                f"the preprocessor has no '{name}', with which users prepare texts that consist of several segments",
                f"Set an attribute '{name}' to a callable object before saving.",
            )


def _image_size(subject: Subject) -> Iterator[Found] | str:
    if subject.card is None or not _IMAGES.intersection(subject.card.tasks):
        return "no card says that the model takes images"
    return _open_sizes(subject)


def _open_sizes(subject: Subject) -> Iterator[Found]:
    attached = any(each.image_size for graph in subject.info.meta_graphs for each in graph.attachments)
    specs = [spec for way in main_ways(subject) for spec in way.inputs.values() if spec.shape and len(spec.shape) == 4]
    if specs and not attached and all(None in (spec.shape or ())[1:3] for spec in specs):
        yield Found(
            main_ways(subject)[0].where,
            f"its input {specs[0]} leaves the size of images open, and nothing says which one it was trained with",
            "Trace it with a fixed height and width, or attach an image_module_info to a module of TensorFlow 1.",
        )


_PROBLEMS: Mapping[str, Callable[[Way], str]] = {
    "text-embedding": _embedding_problem,
    "image-feature-vector": _image_problem,
    "image-classification": _image_problem,
    PREPROCESSING: _preprocessing_problem,
    "text-encoder": _encoder_problem,
}

RULES = (
    *(
        Rule(
            f"E{311 + number}",
            f"A card with the task `{task}` is that of a model with its common signature.",
            functools.partial(_check, task, problem),
        )
        for number, (task, problem) in enumerate(_PROBLEMS.items())
    ),
    Rule("W316", "A preprocessor of texts has `tokenize` and `bert_pack_inputs`.", _helpers, OBJECTS),
    Rule("W317", "A model of images says which size they have.", _image_size),
)
