"""What a layer cannot do under a ``tf.distribute`` strategy, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rehub.errors import UsageError
from rehub.keras.keras_private import layers_of
from rehub.runtime import tf_private
from rehub.runtime.tf_version import import_tensorflow

_INSTEAD = (
    "train in a loop of your own, by strategy.run; or install tf_keras and set TF_USE_LEGACY_KERAS=1, which makes "
    "tf.keras Keras 2, where fit does this."
)


def check_copies(variables: Iterable[Any], model: str) -> None:
    """Refuses to train, on replicas, variables that have no copy for each of them.

    Keras 3 would fail an assertion without a word when it applies the gradients.

    Args:
        variables: Those to be trained.
        model: How messages name it.

    Raises:
        UsageError: If gradients are being recorded on a replica, and a variable was made outside of the strategy's
            scope.
    """
    tf = import_tensorflow()
    if not tf.distribute.has_strategy() or tf.distribute.in_cross_replica_context() or not tf_private.may_record():
        return
    strategy = tf.distribute.get_strategy()
    if not isinstance(strategy, (tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy)):
        return
    if not all(map(strategy.extended.variable_created_in_scope, variables)):
        raise UsageError(
            f"'{model}' is to be trained on the replicas of a {_name(strategy)}, and was loaded outside of its scope: "
            "there is one copy of its variables, and not one for each replica.",
            hint="Load it inside of 'with strategy.scope():', as the rest of what is trained; or pass trainable=False.",
        )


def explain_failure(model: Any, error: Exception, predicts: bool) -> UsageError | None:
    """Tells why Keras 3 fails in ``predict``, or with the first batch of ``fit`` or ``evaluate``, where a strategy is why.

    Args:
        model: Of Keras 3.
        error: With which it failed.
        predicts: Whether it was ``predict``.

    Returns:
        None if it is for something else, or no layer of the model is from a hub.
    """
    from rehub.keras.layer import HubLayer

    tf = import_tensorflow()
    layers = [layer for layer in layers_of(model) if isinstance(layer, HubLayer)]
    strategy = model.distribute_strategy
    if not layers:
        return None
    if predicts:
        if not isinstance(strategy, tf.distribute.ParameterServerStrategy):
            return None
        return UsageError(
            f"predict of Keras 3 failed with {type(error).__name__}: it cannot run under a ParameterServerStrategy.",
            hint="There, call predict_on_batch for each batch, which computes on this machine; or install tf_keras and "
            "set TF_USE_LEGACY_KERAS=1, which makes tf.keras Keras 2, where predict does this.",
        )
    failed = f"fit and evaluate of Keras 3 failed with {type(error).__name__}"
    if isinstance(strategy, (tf.distribute.MultiWorkerMirroredStrategy, tf.distribute.ParameterServerStrategy)):
        return UsageError(
            f"{failed}: they cannot run on several machines, under a {_name(strategy)}.",
            hint=f"There, {_INSTEAD}",
        )
    if strategy.num_replicas_in_sync > 1 and any(_takes_strings(layer) for layer in layers):
        return UsageError(
            f"{failed}: they cannot feed strings to the {strategy.num_replicas_in_sync} replicas of a "
            f"{_name(strategy)}.",
            hint=f"Call a frozen layer in dataset.map(), and give the model what it returns; to train it, {_INSTEAD}",
        )
    return None


def _takes_strings(layer: Any) -> bool:
    tf = import_tensorflow()
    return any(getattr(spec, "dtype", None) == tf.string for spec in tf.nest.flatten(layer.input_specs()))


def _name(strategy: Any) -> str:
    """The public name of a strategy; that of its class may be another."""
    tf = import_tensorflow()
    names = ("MirroredStrategy", "MultiWorkerMirroredStrategy", "ParameterServerStrategy")
    found = (name for name in names if isinstance(strategy, getattr(tf.distribute, name)))
    return next(found, type(strategy).__name__)
