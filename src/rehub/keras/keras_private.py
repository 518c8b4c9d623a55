"""Private Keras symbols, each with the reason why nothing public does."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rehub.errors import HubError

_EXPLAINS = "_rehub_explains"


def is_loading_in_safe_mode() -> bool:
    """Whether Keras 3 is reading a file right now, and was told (or left) not to run code from it.

    Keras 3 has no public reader of this. It is None outside of loading, so that clones and pickles are not meant.
    """
    from keras.src.saving import serialization_lib

    return bool(serialization_lib.in_safe_mode())


def leave_inputs_to_layer(layer: Any) -> None:
    """Keeps Keras 3 from turning the inputs of a layer into tensors of its backend, and from refusing others.

    Keras' own layers for strings do the same; nothing public does.
    """
    layer._convert_input_args = False
    layer._allow_non_tensor_positional_args = True


def forget_parameters(layer: Any) -> None:
    """Lets Keras 3 on PyTorch list the parameters of a layer anew. It lists them once, when a layer is built."""
    if hasattr(layer, "_torch_params"):
        layer._track_variables()


def value_in_scope(variable: Any) -> tuple[bool, Any]:
    """Whether Keras 3 runs a function without side effects right now, and the value that a variable has in there.

    The value is None if the function was given none. Publicly, only who opened the scope can ask it.
    """
    from keras.src.backend.common.stateless_scope import get_stateless_scope

    scope = get_stateless_scope()
    return (False, None) if scope is None else (True, scope.get_current_value(variable))


def stored_value(variable: Any) -> Any:
    """What a variable of Keras 3 holds outside of any scope; on JAX, None while a training loop has taken it.

    Publicly, `value` looks into the scope, and fails if there is none.
    """
    return variable._value


def store_value(variable: Any, value: Any) -> None:
    """Makes a value what a variable of Keras 3 holds, also within a scope, where ``assign`` would tell the scope."""
    variable._value = value


def layers_of(layer: Any) -> list[Any]:
    """The layer and all layers in it, at any depth. ``layers`` has those of the first depth, of models alone."""
    return list(layer._flatten_layers())


def regularization_losses_of(layer: Any) -> list[Callable[[], Any]]:
    """The functions by which a layer of Keras 2 regularizes its own weights; publicly, there are their values alone.

    Keras 3 has them at the variables, where they are public.
    """
    return [loss for loss in getattr(layer, "_callable_losses", ()) if loss() is not None]


def losses_of_calls(layer: Any) -> list[Any]:
    """The losses that a layer itself added when it was called last; ``losses`` holds other ones, too."""
    return list(layer._eager_losses if hasattr(layer, "_eager_losses") else layer._losses)


def clear_losses_of_calls(layer: Any) -> None:
    """Takes them away from the layer, and from those in it. Publicly, only another call does so."""
    layer._clear_losses()


@contextlib.contextmanager
def keeping_seeds(layers: Iterable[Any]) -> Iterator[None]:
    """Undoes what traces do to layers of Keras 2: dropouts give another seed to each op, by counting upwards.

    Then a trace has the masks that the next one has, too. Seeds cannot be set publicly.
    """
    generators: list[Any] = [getattr(layer, "_random_generator", None) for layer in layers]
    before = [(generator, generator._seed) for generator in generators if hasattr(generator, "make_legacy_seed")]
    try:
        yield
    finally:
        for generator, seed in before:
            generator._seed = seed


def explain_failures(explain: Callable[[Any, Exception, bool], HubError | None]) -> None:
    """Lets errors of Keras 3 on TensorFlow be explained: with the first batch of ``fit`` or ``evaluate``, in ``predict``.

    Under a strategy of ``tf.distribute``, Keras looks at that batch before it calls any layer; nothing public tells a
    layer that its model is going to be fitted. The second call does nothing, nor does any where Keras has changed.

    Args:
        explain: Returns the error to raise in place of one with which a model failed, in ``predict`` or not; None to
            leave that as it is.
    """
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer

    for name in ("_maybe_symbolic_build", "predict"):
        method = getattr(TensorFlowTrainer, name, None)
        if method is not None and not hasattr(method, _EXPLAINS):
            setattr(TensorFlowTrainer, name, _explaining(method, explain, name == "predict"))


def _explaining(
    method: Callable[..., Any], explain: Callable[[Any, Exception, bool], HubError | None], predicts: bool
) -> Callable[..., Any]:
    @functools.wraps(method)
    def call_or_explain(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except HubError:
            raise
        except Exception as error:
            explained = explain(self, error, predicts)
            if explained is None:
                raise
            raise explained from error

    setattr(call_or_explain, _EXPLAINS, True)
    return call_or_explain
