"""The variables of a lifted model: which ones its calls write, and those that it cannot have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import ConversionError
from rehub.runtime.lift_tf1 import lift
from tests.tf1 import modules

v1 = tf.compat.v1
ROUNDS = 3


@pytest.fixture(params=[False, True], ids=["v1", "v2"])
def counting(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A module whose update op is a loop that adds to a variable in each round."""

    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [None])
        total = v1.get_variable("total", initializer=1.0, trainable=False, use_resource=True)

        def add(index: Any) -> Any:
            with tf.control_dependencies([total.assign_add(tf.reduce_mean(x))]):
                return index + 1

        with modules.control_flow(v2=request.param):
            end = v1.while_loop(lambda index: index < ROUNDS, add, [0])
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.group(end))
        hub.add_signature(inputs=x, outputs=2.0 * x)

    return str(modules.export(hub, hub.create_module_spec(module_fn), tmp_path / "counting"))


def test_loop_writes_into_its_variable_in_training(counting: str) -> None:
    layer = hub.KerasLayer(counting, trainable=True)
    for training, expected in ((False, 1.0), (True, 1.0 + ROUNDS * 2.0)):
        layer(tf.constant([1.0, 3.0]), training=training)
        assert float(layer.resolved_object.variables[0].numpy()) == expected


def test_variable_that_a_loop_writes_is_the_mean_of_replicas(counting: str) -> None:
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = hub.KerasLayer(counting, trainable=True)
    given = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant([2.0 + 2.0 * context.replica_id_in_sync_group])
    )
    tf.function(lambda x: strategy.run(lambda each: layer(each, training=True), [x]))(given)
    np.testing.assert_allclose(layer.resolved_object.variables[0].numpy(), 1.0 + ROUNDS * 3.0)


def test_local_variable_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None])
        variables = [
            v1.get_variable(name, initializer=1.0, use_resource=True, collections=[collection])
            for name, collection in (("scale", v1.GraphKeys.GLOBAL_VARIABLES), ("seen", v1.GraphKeys.LOCAL_VARIABLES))
        ]
        session.run([variable.initializer for variable in variables])
        v1.saved_model.simple_save(session, str(tmp_path / "local"), {"x": x}, {"y": x * variables[0] + variables[1]})
    with pytest.raises(ConversionError, match="'seen' is a variable outside of the collection 'variables'") as info:
        lift(tmp_path / "local")
    assert info.value.ops == ("VarHandleOp",)
