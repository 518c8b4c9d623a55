"""What an application in a TF1 session computes, trains and changes: taken alike from every library, and compared."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

LEARNING_RATE = 0.05
STEPS = 3


@dataclasses.dataclass(frozen=True)
class Application:
    """Tensors of the default graph, and the variables behind them under the names that a checkpoint has for them."""

    outputs: Mapping[str, Any]
    variables: Mapping[str, Any]
    feeds: Mapping[Any, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Each part is taken after a run of the initializers; the loss is that of ``sum_of_squares``.

    Attributes:
        variables: Values after initialisation.
        outputs: Of the first run.
        outputs_again: Of a second run.
        variables_after: Values after both runs.
        gradients: Of the loss, without regularization, by the trainable variables that it depends on.
        losses: The regularization losses, in the order of their collection.
        update_ops: The number of them.
        updated: Values after one run of all of them; none where they cannot be run.
        sgd_losses: The loss with regularization before each step.
        trained: Values after the steps, which run the update ops too.
    """

    variables: Mapping[str, Any]
    trainable: frozenset[str]
    outputs: Mapping[str, Any]
    outputs_again: Mapping[str, Any]
    variables_after: Mapping[str, Any]
    gradients: Mapping[str, Any]
    losses: tuple[Any, ...]
    update_ops: int
    updated: Mapping[str, Any] | None
    sgd_losses: tuple[Any, ...]
    trained: Mapping[str, Any] | None


def measure(build: Callable[[], Application], *, trains: bool = True) -> Measurement:
    """Measures what ``build`` adds to the new default graph in which it is called."""
    with tf.Graph().as_default():
        application = build()
        return _Bench(application).measure(trains)


class _Bench:
    def __init__(self, application: Application) -> None:
        self.outputs = dict(application.outputs)
        self.variables = dict(application.variables)
        names = {variable.name for variable in v1.trainable_variables()}
        self.trainable = {name: variable for name, variable in self.variables.items() if variable.name in names}
        self.feeds = application.feeds
        self.losses = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
        self.updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)

    def measure(self, trains: bool) -> Measurement:
        loss = sum_of_squares(self.outputs)
        gradients = self._gradients(loss) if trains and loss is not None else {}
        step, total = None, None
        if gradients:
            total = v1.add_n([loss, *self.losses])
            optimizer = v1.train.GradientDescentOptimizer(LEARNING_RATE)
            step = optimizer.minimize(total, var_list=list(self.trainable.values()))
        initialize = [v1.global_variables_initializer(), v1.local_variables_initializer()]
        with v1.Session() as session:
            run = functools.partial(session.run, feed_dict=dict(self.feeds))
            run([initialize, v1.tables_initializer()])
            variables, losses = run([self.variables, self.losses])
            outputs, again = run(self.outputs), run(self.outputs)
            after = run(self.variables)
            run(initialize)
            values = run(gradients)
            run(initialize)
            updated = self._updated(run)
            run(initialize)
            sgd_losses = []
            if step is not None and (not self.updates or updated is not None):
                for _ in range(STEPS):
                    sgd_losses.append(run([total, step, self.updates])[0])
            trained = run(self.variables) if sgd_losses else None
        return Measurement(
            variables=variables,
            trainable=frozenset(self.trainable),
            outputs=outputs,
            outputs_again=again,
            variables_after=after,
            gradients=values,
            losses=tuple(losses),
            update_ops=len(self.updates),
            updated=updated,
            sgd_losses=tuple(sgd_losses),
            trained=trained,
        )

    def _gradients(self, loss: Any) -> dict[str, Any]:
        variables = list(self.trainable.values())
        gradients = zip(self.trainable, v1.gradients(loss, variables), variables, strict=True)
        return {name: dense(gradient, variable) for name, gradient, variable in gradients if gradient is not None}

    def _updated(self, run: Any) -> Any:
        if not self.updates:
            return None
        try:
            run(self.updates)
        except tf.errors.InvalidArgumentError:
            return None
        return run(self.variables)


def sum_of_squares(outputs: Mapping[str, Any]) -> Any:
    """Over all floating-point outputs; None without any."""
    flat = [getattr(output, "flat_values", getattr(output, "values", output)) for output in outputs.values()]
    squares = [tf.reduce_sum(tf.square(tensor)) for tensor in flat if tensor.dtype.is_floating]
    return v1.add_n(squares) if squares else None


def dense(gradient: Any, variable: Any) -> Any:
    """TensorFlow's own conversion of slices warns of their size."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])


def flat_variables(variable_map: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a ``Module.variable_map``, where those of a partitioned variable are a list under one name."""
    flat = {}
    for name, value in variable_map.items():
        if isinstance(value, list):
            flat.update({f"{name}/part_{number}": part for number, part in enumerate(value)})
        else:
            flat[name] = value
    return flat


def assert_same(actual: Measurement, expected: Measurement, tolerance: float) -> None:
    """Variables are equal bit for bit, all that is computed within a tolerance relative to the largest magnitude."""
    for part in dataclasses.fields(Measurement):
        exact = part.name in ("variables", "trainable", "update_ops")
        name = part.name.replace("_", " ")
        assert_same_value(getattr(actual, part.name), getattr(expected, part.name), 0.0 if exact else tolerance, name)


def assert_same_value(actual: Any, expected: Any, tolerance: float, where: str) -> None:
    """Compares nested structures of arrays, sparse values and ragged values."""
    if isinstance(expected, Mapping):
        assert set(actual) == set(expected), where
        for name, value in expected.items():
            assert_same_value(actual[name], value, tolerance, f"{where} {name!r}")
    elif hasattr(expected, "row_splits"):
        assert_same_value(actual.values, expected.values, tolerance, f"{where}, values")
        assert_same_value(actual.row_splits, expected.row_splits, 0.0, f"{where}, row splits")
    elif isinstance(expected, (tuple, list)):
        assert len(actual) == len(expected), where
        for number, value in enumerate(expected):
            assert_same_value(actual[number], value, tolerance, f"{where} [{number}]")
    elif expected is None or isinstance(expected, frozenset):
        assert actual == expected, where
    else:
        _assert_same_array(np.asarray(actual), np.asarray(expected), tolerance, where)


def _assert_same_array(actual: Any, expected: Any, tolerance: float, where: str) -> None:
    assert actual.shape == expected.shape, where
    if tolerance and np.issubdtype(expected.dtype, np.floating):
        scale = np.abs(expected).max(initial=1.0)
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale, err_msg=where)
    else:
        np.testing.assert_array_equal(actual, expected.astype(actual.dtype), err_msg=where)
