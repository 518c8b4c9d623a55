"""Hyperparameters of a model, which become arguments of what is exported."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import inspect
import keyword
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from rehub.conversion.export_source import Source
from rehub.errors import SignatureError
from rehub.runtime.tf_version import import_tensorflow

Default: TypeAlias = str | bool | int | float

_COMPARISONS = ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__")


@dataclasses.dataclass(frozen=True)
class Hyperparameter:
    """An argument of the exported model.

    Attributes:
        name: Of the argument.
        default: What callers need not pass.
        attribute: Of the layers; empty if the model itself takes the argument.
        layers: Those whose attribute it sets.
    """

    name: str
    default: bool | int | float
    attribute: str = ""
    layers: Sequence[Any] = ()

    @property
    def parameter(self) -> inspect.Parameter:
        """How it stands in a function's signature."""
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=self.default)

    @property
    def traces(self) -> Sequence[Any]:
        """What the model is traced with: any number, or each bool."""
        tf = import_tensorflow()
        if isinstance(self.default, bool):
            return (False, True)
        return (tf.TensorSpec([], tf.int32 if isinstance(self.default, int) else tf.float32, self.name),)

    @contextlib.contextmanager
    def set_to(self, value: Any) -> Iterator[None]:
        """Gives the attribute of the layers this value for a while."""
        before = [getattr(layer, self.attribute) for layer in self.layers]
        try:
            for layer in self.layers:
                setattr(layer, self.attribute, value)
            yield
        finally:
            for layer, old in zip(self.layers, before, strict=True):
                setattr(layer, self.attribute, old)


def describe(source: Source, arguments: Mapping[str, Default]) -> list[Hyperparameter]:
    """Finds out what the arguments that a user wants are.

    Raises:
        SignatureError: If the model has no such thing.
    """
    return [_describe(source, name, default) for name, default in arguments.items()]


def _describe(source: Source, name: str, default: Any) -> Hyperparameter:
    if not name.isidentifier() or keyword.iskeyword(name) or name in ("inputs", "training"):
        raise SignatureError(f"An argument cannot be called {name!r}.", hint="Choose another name, of letters.")
    if isinstance(default, str):
        return _of_layers(source, name, default)
    if not isinstance(default, numbers.Real):
        raise SignatureError(
            f"The default of the argument {name!r} is {default!r}, not a number or bool.",
            hint='Pass a number, or the attribute of layers that it sets, such as "dropout*.rate".',
        )
    if not source.takes(name):
        what = "call" if source.keras_version else "__call__"
        raise SignatureError(
            f"{source.kind}.{what} takes no argument {name!r}; it takes {', '.join(source.parameters)}.",
            hint=f'Add it there, or name the attribute of layers that it sets, such as {name}="dropout*.rate".',
            available=tuple(source.parameters),
        )
    return Hyperparameter(name, _plain(default))


def _of_layers(source: Source, name: str, place: str) -> Hyperparameter:
    pattern, _, attribute = place.rpartition(".")
    having = [layer for layer in source.layers if isinstance(getattr(layer, attribute, None), numbers.Real)]
    layers = [layer for layer in having if fnmatch.fnmatchcase(layer.name, pattern)]
    if not layers:
        names = tuple(dict.fromkeys(layer.name for layer in having))
        raise SignatureError(
            f"The argument {name!r} is to set {place!r}, and {source.kind} has no such layer with such a number.",
            hint=f"The layers with a number {attribute!r} are: {', '.join(names)}."
            if names
            else 'Write LAYER.ATTRIBUTE, such as "dropout*.rate".',
            available=names,
        )
    values = {layer.name: getattr(layer, attribute) for layer in layers}
    if len(set(values.values())) > 1:
        raise SignatureError(
            f"The argument {name!r} is to set {place!r}, which is not the same in all layers: {values}.",
            hint="Make an argument for each, or set them to the value that shall be the default.",
            available=tuple(values),
        )
    default = next(iter(values.values()))
    return Hyperparameter(name, default if isinstance(default, bool) else float(default), attribute, layers)


def _plain(number: Any) -> bool | int | float:
    """A number of Python; users may have one of NumPy."""
    if isinstance(number, bool):
        return number
    return int(number) if isinstance(number, numbers.Integral) else float(number)


@contextlib.contextmanager
def applied(
    hyperparameters: Sequence[Hyperparameter], values: Mapping[str, Any], used: set[str]
) -> Iterator[Mapping[str, Any]]:
    """Sets the attributes of layers to arguments of a call.

    Args:
        hyperparameters: All that there are.
        values: One for each.
        used: Takes the names of those that ops were made with meanwhile.

    Yields:
        The arguments that the model itself takes.
    """
    with contextlib.ExitStack() as stack:
        of_layers = {each.name: _comparable(values[each.name], each) for each in hyperparameters if each.layers}
        for each in hyperparameters:
            if each.layers:
                stack.enter_context(each.set_to(of_layers[each.name]))
        yield {name: value for name, value in values.items() if name not in of_layers}
    used |= {name for name, value in of_layers.items() if isinstance(value, bool) or value.consumers()}


def _comparable(value: Any, hyperparameter: Hyperparameter) -> Any:
    """A tensor that Python can compare with numbers, as layers do; they see the default."""
    if isinstance(value, bool):
        return value
    tf = import_tensorflow()
    tensor = tf.identity(tf.cast(value, hyperparameter.layers[0].compute_dtype))
    cls = type(tensor)
    methods = {name: _comparison(cls, name, float(hyperparameter.default)) for name in _COMPARISONS}
    # Layers ask "self.rate > 0" in Python, and leave themselves out by the answer; a tensor cannot be asked.
    tensor.__class__ = type(cls.__name__, (cls,), {**methods, "__hash__": cls.__hash__})
    return tensor


def _comparison(cls: type, name: str, seen: float) -> Callable[[Any, Any], Any]:
    def compare(self: Any, other: Any) -> Any:
        return getattr(seen, name)(other) if isinstance(other, numbers.Real) else getattr(cls, name)(self, other)

    return compare
