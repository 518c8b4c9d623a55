"""Rules about the Reusable SavedModel interface.

Source: the Reusable SavedModel interface of TensorFlow Hub: ``__call__`` takes one positional argument, and keywords
such as ``training``; every combination is traced; lists name the variables and the losses.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rehub.formats import dtype
from rehub.formats.structured_value import decode
from rehub.model.functions import Function, Trace
from rehub.publish.rules.rule import OBJECTS, Found, Rule
from rehub.publish.rules.subject import Part, Subject
from rehub.signature import TensorSpec, describe
from rehub.words import count

_SHOWN = 3
_MOST_COMBINATIONS = 4096
_EXPORT = "'hub.export' writes models that have it."
_NO_CALL = "nothing of the model can be called but its signatures"
_OF_OPTIMIZER = re.compile(
    r"(.*\.)?_?optimizers?\..*|(keras_api\.)?metrics\..*|(.*/)?(Adadelta|Adagrad|Adam|Ftrl|Momentum|RMSProp|beta[12]_power)(_\d+)?"
)
"""Paths of objects, and the names that the optimizers of TensorFlow 1 give to their variables."""
_NUMBER = re.compile(r"-?\d+(\.\d*)?(e[+-]?\d+)?")
_SCALAR = re.compile(r"[a-z]+\d+\[\]")
_FLOATS = ("bfloat16", "complex", "float", "half")


def _no_call(subject: Subject) -> list[Found] | str:
    others = _callables(subject)
    if not others:
        return "nothing of the model can be called"
    if subject.root is not None:
        return []
    what = f"the model itself cannot be called, and so not be fine-tuned as a layer; it has {', '.join(others)}"
    return [Found("__call__", what, f"Export it with a '__call__' that takes the inputs. {_EXPORT}")]


def _nothing(subject: Subject) -> list[Found]:
    if _callables(subject):
        return []
    what = "the model has no function that can be called, and no signatures"
    return [Found("__call__", what, f"Call each tf.function before saving, or give it an input_signature. {_EXPORT}")]


def _callables(subject: Subject) -> list[str]:
    """All that can be called: functions that were traced, and signatures."""
    (graph,) = subject.info.meta_graphs
    functions = [f"the function '{function.path}'" for function in graph.functions if function.traces]
    return [*functions, *(f"the signature '{signature.name}'" for signature in graph.signatures)]


def _one_input(subject: Subject) -> Iterator[Found] | str:
    return _of_parts(subject, _one_input_of)


def _one_input_of(part: Part) -> Iterator[Found]:
    positional = [each.name for each in part.call.parameters if each.kind == "positional" and each.is_required]
    named = [each.name for each in part.call.parameters if each.kind == "keyword" and each.is_required]
    takes_any = any(each.kind in ("positional", "rest") for each in part.call.parameters)
    if len(positional) > 1 or named or not takes_any:
        asked = ", ".join([*positional, *named]) or "nothing"
        yield Found(
            part.where(),
            f"it has to be called with {asked}, and users pass one argument",
            "Take several inputs as one list or dict, and give all other arguments defaults.",
        )


def _training(subject: Subject) -> Iterator[Found] | str:
    return _of_parts(subject, _training_of)


def _training_of(part: Part) -> Iterator[Found]:
    parameter = next((each for each in part.call.parameters if each.name == "training"), None)
    if parameter is None:
        return
    if parameter.is_required or parameter.default not in (False, 0, None):
        default = "no default" if parameter.is_required else f"the default {parameter.default!r}"
        yield Found(part.where(), f"its argument 'training' has {default}", "Write 'training=False'.")
    values = [dict(trace.arguments).get("training") for trace in part.call.traces]
    tensors = [value for value in values if isinstance(value, TensorSpec)]
    if tensors:
        yield Found(
            part.where(),
            f"its argument 'training' was traced as a tensor, {tensors[0]}",
            "Trace it with the Python values True and False.",
        )


def _combinations(subject: Subject) -> Iterator[Found] | str:
    return _of_parts(subject, lambda part: _combinations_of(part.call, part.where()))


def _combinations_of(call: Function, where: str) -> Iterator[Found]:
    defaults = {each.name: each.default for each in call.parameters if not each.is_required}
    traced = [_arguments(trace, defaults) for trace in call.traces]
    names = list(dict.fromkeys(name for arguments in traced for name in arguments))
    values = {name: list(dict.fromkeys(each[name] for each in traced if name in each)) for name in names}
    if not any("[" in value for value in values.get("training", ["[]"])):
        values["training"] = ["False", "True"]
    if math.prod(map(len, values.values())) > _MOST_COMBINATIONS:
        return
    combinations = (dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*values.values()))
    missing = [each for each in combinations if not any(_takes(known, each) for known in traced)]
    if missing:
        shown = "; ".join(", ".join(f"{name}={value}" for name, value in each.items()) for each in missing[:_SHOWN])
        more = f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        yield Found(
            where,
            f"it was not traced with {shown}{more}, though with each of these values",
            "Call get_concrete_function for every combination before saving.",
        )


def _takes(traced: Mapping[str, str], given: Mapping[str, str]) -> bool:
    """Whether a trace is that for some arguments. TensorFlow takes a number where it was traced with a tensor."""
    return all(
        traced.get(name) == value or (_NUMBER.fullmatch(value) and _SCALAR.fullmatch(traced.get(name, "")))
        for name, value in given.items()
    )


def _arguments(trace: Trace, defaults: Mapping[str, Any]) -> dict[str, str]:
    """The arguments of a trace as texts, with the defaults of those that it lacks."""
    given = dict(trace.arguments)
    given |= {name: value for name, value in defaults.items() if name not in given}
    if given.get("training", True) is None:
        given["training"] = False  # of Keras, which means the same
    return {name: describe(value) for name, value in given.items()}


def _unlisted(subject: Subject) -> Iterator[Found] | str:
    def of(part: Part) -> Iterator[Found]:
        listed = {*part.lists.get("variables", ()), *part.lists.get("trainable_variables", ())}
        lacking = sorted(part.used - listed)
        if lacking and part.lists.keys() & {"variables", "trainable_variables"}:
            yield Found(
                part.where("variables"),
                f"it lacks {_named(subject, lacking)}, which '{part.where()}' uses",
                "Set 'variables' to all variables that a call uses.",
            )

    return _of_parts(subject, of)


def _no_lists(subject: Subject) -> Iterator[Found] | str:
    def of(part: Part) -> Iterator[Found]:
        if part.used and not part.lists.keys() & {"variables", "trainable_variables"}:
            yield Found(
                part.where("variables"),
                f"there is no list of the {count(len(part.used), 'variable')} that '{part.where()}' uses",
                f"Set 'variables' and 'trainable_variables' to lists of tf.Variable before saving. {_EXPORT}",
            )

    return _of_parts(subject, of)


def _bad_trainable(subject: Subject) -> Iterator[Found] | str:
    def of(part: Part) -> Iterator[Found]:
        trainable = set(part.lists.get("trainable_variables", ()))
        outside = sorted(trainable - set(part.lists.get("variables", ())))
        if outside:
            yield Found(
                part.where("trainable_variables"),
                f"it has {_named(subject, outside)}, which 'variables' lacks",
                "Let 'variables' hold all variables, also those to train.",
            )
        integers = [
            place
            for place in sorted(trainable)
            if not dtype.name(subject.nodes[place].variable.dtype).startswith(_FLOATS)
        ]
        if integers:
            yield Found(
                part.where("trainable_variables"),
                f"it has {_named(subject, integers)}, which are no floating-point numbers",
                "List them in 'variables' only.",
            )

    return _of_parts(subject, of)


def _unused(subject: Subject) -> Iterator[Found] | str:
    def of(part: Part) -> Iterator[Found]:
        if part.path:
            return
        concrete = subject.message.object_graph_def.concrete_functions
        used = {bound for function in concrete.values() for bound in function.bound_inputs}
        idle = sorted(set(part.lists.get("variables", ())) - used)
        if idle:
            yield Found(
                "variables",
                f"it has {_named(subject, idle)}, which no function uses",
                "Leave out what belongs to other parts of the model that this one was cut out of.",
            )

    return _of_parts(subject, of)


def _losses(subject: Subject) -> Iterator[Found] | str:
    def of(part: Part) -> Iterator[Found]:
        for number, place in enumerate(part.lists.get("regularization_losses", ())):
            what = _wrong_with_loss(subject, place)
            if what:
                yield Found(
                    f"{part.where('regularization_losses')}[{number}]",
                    what,
                    "Let it be a tf.function without arguments that returns one float: a scalar.",
                )

    return _of_parts(subject, of)


def _wrong_with_loss(subject: Subject, place: int) -> str:
    node = subject.nodes[place]
    if node.WhichOneof("kind") not in ("function", "bare_concrete_function"):
        return "it is no function"
    traces = subject.traces_of(place)
    if not traces:
        return "it was never traced"
    concrete = subject.message.object_graph_def.concrete_functions
    for name in traces:
        if name not in concrete:
            return "it was never traced"
        inputs, outputs = (
            decode(part) for part in (concrete[name].canonicalized_input_signature, concrete[name].output_signature)
        )
        if isinstance(inputs, tuple) and any(inputs):
            return f"it takes arguments: {describe(inputs)}"
        if not isinstance(outputs, TensorSpec) or outputs.shape not in ((), None):
            return f"it returns {describe(outputs)}"
    return ""


def _state(subject: Subject) -> Iterator[Found]:
    for graph in subject.info.meta_graphs:
        everything = (*graph.variables, *graph.spare_variables)
        spare = {each.path or each.name for each in everything if _OF_OPTIMIZER.fullmatch(each.path or each.name)}
        if subject.info.format == "saved_model_2":
            slots = {slot.slot_variable_node_id for node in subject.nodes for slot in node.slot_variables}
            spare |= {subject.nodes[place].variable.name for place in slots if 0 <= place < len(subject.nodes)}
        if spare:
            names = sorted(spare)
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield Found(
                "variables",
                f"an optimizer or metrics are left in the model: {', '.join(names[:_SHOWN])}{more}",
                "Export it without them, in Keras 2 by save(..., include_optimizer=False), or by 'hub.export'.",
            )


def _of_parts(subject: Subject, find: Any) -> Iterator[Found] | str:
    if not subject.parts:
        return _NO_CALL
    return itertools.chain.from_iterable(find(part) for part in subject.parts)


def _named(subject: Subject, places: list[int]) -> str:
    names = ", ".join(repr(subject.nodes[place].variable.name or f"variable {place}") for place in places[:_SHOWN])
    return f"{names} and {len(places) - _SHOWN} more" if len(places) > _SHOWN else names


RULES = (
    Rule("W201", "The model itself can be called, not only its signatures and other functions.", _no_call, OBJECTS),
    Rule("E202", "Something of the model can be called.", _nothing, OBJECTS),
    Rule("E203", "`__call__` takes one argument; all others have defaults.", _one_input, OBJECTS),
    Rule("E204", "`training`, if there, is a Python bool that is False by default.", _training, OBJECTS),
    Rule("E205", "Every combination of arguments is traced, with `training` on and off.", _combinations, OBJECTS),
    Rule("E206", "`variables` has all variables that a call uses.", _unlisted, OBJECTS),
    Rule("W207", "There are lists of the variables.", _no_lists, OBJECTS),
    Rule("E208", "`trainable_variables` are among `variables`, and floating-point.", _bad_trainable, OBJECTS),
    Rule("W209", "`variables` has none that nothing uses.", _unused, OBJECTS),
    Rule("E210", "`regularization_losses` are functions without arguments that return a scalar.", _losses, OBJECTS),
    Rule("W211", "No state of an optimizer or of metrics is left.", _state),
)
