"""Which variables a function of TensorFlow may assign."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub
from rehub.runtime.variable_writes import written_handles


class Variables(tf.Module):
    def __init__(self) -> None:
        self.read, self.written = tf.Variable([1.0, 2.0]), tf.Variable(0.0)

    def add(self) -> tf.Tensor:
        self.written.assign_add(self.read[0])
        return self.read + self.written


def directly(variables: Variables) -> tf.Tensor:
    return variables.add()


def in_a_function(variables: Variables) -> tf.Tensor:
    return tf.function(variables.add)()


def in_a_branch(variables: Variables) -> tf.Tensor:
    return tf.cond(tf.norm(variables.read) > 1.0, variables.add, lambda: variables.read + variables.written)


def in_a_loop(variables: Variables) -> tf.Tensor:
    return tf.while_loop(lambda i, _: i < 2, lambda i, _: (i + 1, variables.add()), (0, variables.read + 0.0))[1]


@pytest.mark.parametrize("body", [directly, in_a_function, in_a_branch, in_a_loop])
@pytest.mark.parametrize("is_loaded", [False, True], ids=["traced", "loaded"])
def test_handles_are_those_of_variables_that_are_assigned(body, is_loaded: bool, tmp_path: Path) -> None:
    variables = Variables()
    variables.call = tf.function(lambda: body(variables), input_signature=[])
    if is_loaded:
        tf.saved_model.save(variables, str(tmp_path))
        variables = hub.load(str(tmp_path))
    handles = [id(handle) for handle in written_handles([variables.call.get_concrete_function()])]
    assert id(variables.written.handle) in handles
    assert id(variables.read.handle) not in handles


def test_random_numbers_write_the_state_of_their_generator() -> None:
    generator = tf.random.Generator.from_seed(1)
    function = tf.function(lambda: generator.normal([2])).get_concrete_function()
    assert [id(handle) for handle in written_handles([function])] == [id(generator.state.handle)]
