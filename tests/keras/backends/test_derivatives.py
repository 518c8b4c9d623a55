"""Gradients by the means of the backend, and what it cannot do."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.keras.backends.conftest import BACKEND, array


@pytest.fixture
def kernel_gradient(x):
    return np.repeat(x.sum(0)[:, None], 2, axis=1)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_inputs_get_gradients_through_a_frozen_layer(statistics, x, dtype):
    layer, x = hub.KerasLayer(statistics), x.astype(dtype)
    if BACKEND == "jax":
        gradient = jax.grad(lambda inputs: layer(inputs).sum())(jax.numpy.asarray(x))
    else:
        inputs = torch.tensor(x, requires_grad=True)
        layer(inputs).sum().backward()
        gradient = inputs.grad
    assert array(gradient).dtype == dtype
    np.testing.assert_array_equal(array(gradient), np.tile([1.0, 1.0, 2.0], (8, 1)))


class Bags(tf.train.Checkpoint):
    """int32[?, 2] -> float32[?, 1]: by an op whose gradient has no gradient."""

    def __init__(self):
        super().__init__()
        self.table = tf.Variable(tf.ones([4, 1]))
        self.variables = self.trainable_variables = [self.table]

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.int32)])
    def __call__(self, numbers):
        numbers = tf.sparse.from_dense(numbers)
        return tf.square(tf.nn.embedding_lookup_sparse(self.table, numbers, None, combiner="sqrtn"))


def test_weights_get_gradients_through_an_op_without_second_derivative(tmp_path):
    tf.saved_model.save(Bags(), str(tmp_path))
    layer, numbers = hub.KerasLayer(str(tmp_path), trainable=True), np.array([[1, 2]], "int32")
    if BACKEND == "jax":
        gradients = jax.grad(lambda values: layer.stateless_call(values, [], numbers)[0].sum())
        (gradient,) = gradients([layer.weights[0].value])
    else:
        layer(numbers).sum().backward()
        gradient = layer.weights[0].value.grad
    np.testing.assert_allclose(array(gradient), [[0.0], [2.0], [2.0], [0.0]], rtol=1e-6)


def test_strategy_of_tensorflow_is_refused(statistics):
    with (
        tf.distribute.MirroredStrategy(["CPU:0"]).scope(),
        pytest.raises(hub.errors.UsageError, match=r"tf\.distribute"),
    ):
        hub.KerasLayer(statistics)


def test_function_of_keras_variables_is_refused():
    class Holder:
        variables = trainable_variables = (keras.Variable([1.0]),)

        def __call__(self, inputs):
            return inputs * self.variables[0]

    for handle in (keras.layers.Dense(2), Holder()):
        with pytest.raises(hub.errors.UsageError, match="no model of TensorFlow"):
            hub.KerasLayer(handle)


@pytest.mark.filterwarnings("ignore:The `native_serialization` parameter:DeprecationWarning")  # Keras sets it
def test_export_is_refused_and_the_hint_says_how(statistics, make_model, x, tmp_path):
    model = make_model(hub.KerasLayer(statistics))
    model.predict(x, verbose=0)
    if BACKEND == "jax":
        with pytest.raises(hub.errors.UsageError, match="resolved_object"):
            model.export(tmp_path / "exported", verbose=False)
    else:
        with pytest.raises(hub.errors.UsageError, match="resolved_object"):
            torch.export.export(model, (torch.tensor(x),))


if BACKEND == "jax":
    import jax

    @pytest.mark.parametrize("compile_", [lambda function: function, jax.jit], ids=["eager", "jit"])
    def test_weights_get_gradients_in_a_stateless_call(statistics, x, kernel_gradient, compile_):
        layer = hub.KerasLayer(statistics, trainable=True)

        def loss(trainable, others):
            outputs, others = layer.stateless_call(trainable, others, x, training=True)
            return (outputs * outputs).sum() / 2, others

        values = [v.value for v in layer.trainable_variables], [v.value for v in layer.non_trainable_variables]
        (gradient,), (mean,) = compile_(jax.grad(loss, has_aux=True))(*values)
        centered = x - x.mean(0)
        np.testing.assert_allclose(gradient, centered.T @ (centered @ array(values[0][0])), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(mean, 0.1 * (x @ array(values[0][0])).mean(0), rtol=1e-5)
        np.testing.assert_array_equal(array(layer.weights[1]), [0.0, 0.0])

    def test_loops_and_vmap_give_the_same_gradients(statistics, x):
        layer, expected = hub.KerasLayer(statistics), np.tile([1.0, 1.0, 2.0], (8, 1))
        single = jax.vmap(jax.grad(lambda row: layer(row[None]).sum()))(x)
        np.testing.assert_array_equal(single, expected)

        def repeated(inputs):
            return jax.lax.scan(lambda total, _: (total + layer(inputs).sum(), None), 0.0, None, length=3)[0]

        np.testing.assert_array_equal(jax.jit(jax.grad(repeated))(x), 3 * expected)
        jacobian = jax.jacrev(lambda row: layer(row[None])[0])(x[0])
        np.testing.assert_array_equal(jacobian, [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])

    def tapes():
        gc.collect()
        return {id(each): weakref.ref(each) for each in gc.get_objects() if isinstance(each, tf.GradientTape)}

    def test_tape_of_a_call_goes_with_its_gradients(statistics, x):
        layer, before = hub.KerasLayer(statistics), tapes()
        _, gradients = jax.vjp(layer, jax.numpy.asarray(x))
        ((_, tape),) = [item for item in tapes().items() if item not in before.items()]
        for _ in range(2):
            expected = np.tile([1.0, 1.0, 2.0], (8, 1))
            np.testing.assert_array_equal(gradients(jax.numpy.ones((8, 2)))[0], expected)
        del gradients
        gc.collect()
        assert tape() is None

    def test_tapes_of_programs_that_ended_are_given_up_in_the_end(statistics, x):
        layer, before = hub.KerasLayer(statistics), tapes()

        def total(row):
            return layer(row[None]).sum()

        jax.jacrev(lambda row: layer(row[None])[0])(x[0])
        jax.vmap(jax.grad(total))(x)
        left = [tape for item, tape in tapes().items() if item not in before]
        assert left
        jax.vmap(jax.grad(total))(np.ones((40, 3), "float32"))
        gc.collect()
        assert not [tape for tape in left if tape()]

    def test_compiled_program_uses_new_values(statistics, x):
        layer = hub.KerasLayer(statistics)
        call = jax.jit(lambda values, inputs: layer.stateless_call([], values, inputs)[0])
        values = [variable.value for variable in layer.non_trainable_variables]
        before = call(values, x)
        np.testing.assert_allclose(call([2.0 * values[0], values[1]], x), 2.0 * before, rtol=1e-6)
        np.testing.assert_array_equal(array(layer(x)), before)

    @pytest.mark.parametrize("transform", [jax.jacfwd, jax.hessian])
    def test_forward_mode_and_second_derivatives_are_refused(statistics, x, transform):
        layer = hub.KerasLayer(statistics)
        with pytest.raises(hub.errors.UsageError, match="reverse mode"):
            transform(lambda inputs: (layer(inputs) ** 2).sum())(x)

    def test_output_whose_size_depends_on_values_is_refused_in_a_compiled_program(x):
        layer = hub.KerasLayer(lambda inputs: tf.boolean_mask(inputs, inputs > 0))
        assert len(layer(x)) == (x > 0).sum()
        with pytest.raises(hub.errors.UsageError, match="compiles for fixed shapes"):
            jax.jit(layer)(x)

    def test_wide_variables_are_refused_in_training():
        class Wide:
            def __init__(self):
                self.kernel = tf.Variable([1.0, 2.0], dtype=tf.float64)
                self.variables = self.trainable_variables = [self.kernel]

            def __call__(self, inputs):
                return tf.cast(inputs, tf.float64) * self.kernel

        np.testing.assert_array_equal(hub.KerasLayer(Wide())([[1.0, 1.0]]), [[1.0, 2.0]])
        with pytest.raises(hub.errors.SignatureError, match="JAX_ENABLE_X64"):
            hub.KerasLayer(Wide(), trainable=True)([[1.0, 1.0]])

else:
    import torch

    def test_weights_get_gradients_in_a_loop_of_torch(statistics, x):
        layer = hub.KerasLayer(statistics)
        layer.trainable = True
        parameters = [parameter for parameter in layer.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(parameters, 0.1)
        before = array(layer.weights[0]).copy()
        (layer(torch.tensor(x), training=False) ** 2).sum().div(2).backward()
        optimizer.step()
        expected = before - 0.1 * x.T @ (x @ before)
        np.testing.assert_allclose(array(layer.weights[0]), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(array(layer(x)), x @ expected, rtol=1e-4, atol=1e-5)

    def test_graph_may_be_kept_for_a_second_backward_pass(statistics, x):
        layer, inputs = hub.KerasLayer(statistics), torch.tensor(x, requires_grad=True)
        total = layer(inputs).sum()
        total.backward(retain_graph=True)
        total.backward()
        np.testing.assert_array_equal(inputs.grad, np.tile([2.0, 2.0, 4.0], (8, 1)))

    def test_nothing_is_recorded_without_gradients(statistics, x):
        layer = hub.KerasLayer(statistics, trainable=True)
        assert layer(x).requires_grad
        with torch.no_grad():
            assert not layer(x).requires_grad
        layer.trainable = False
        assert not layer(x).requires_grad

    def test_compiling_is_left_out(statistics, make_model):
        model = make_model(hub.KerasLayer(statistics))
        with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
            model.compile("sgd", "mse", jit_compile=True)
        assert not model.jit_compile
