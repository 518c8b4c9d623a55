"""Where a module can be used: in wrapped functions, conditions and loops, on devices and in strategies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.tf1.sessions import MODULES, RICH, TEXT, X, initialize, result, session

v1 = tf.compat.v1


def test_wrapped_function_has_initialized_variables_and_tables() -> None:
    wrapped = v1.wrap_function(lambda x: hub.Module(RICH, trainable=True)(x), [tf.TensorSpec([None, 4], tf.float32)])
    words = v1.wrap_function(lambda x: hub.Module(TEXT)(x), [tf.TensorSpec([None], tf.string)])

    np.testing.assert_allclose(wrapped(tf.constant(X)), result(RICH, X), rtol=1e-6)
    np.testing.assert_allclose(words(tf.constant(["the cat"])), result(TEXT, ["the cat"]), rtol=1e-6)
    assert len(wrapped.trainable_variables) == 6
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(wrapped(tf.constant(X)) ** 2)
    assert all(gradient is not None for gradient in tape.gradient(loss, wrapped.trainable_variables))


@pytest.mark.parametrize("kind", ["loops_v2", "rnn_v2", "functions_a"])
def test_wrapped_function_is_saved_with_its_loops(tmp_path: Path, kind: str) -> None:
    folder = MODULES.parent / "tf1_kinds" / kind
    infos = hub.load_module_spec(folder).get_input_info_dict()
    specs = {name: info.type_spec for name, info in infos.items()}
    inputs = {
        name: tf.ones([3 if size is None else size for size in spec.shape.as_list()], spec.dtype)
        for name, spec in specs.items()
    }
    holder = tf.Module()
    names = list(specs)
    holder.call = v1.wrap_function(
        lambda *given: hub.Module(folder, trainable=True)(dict(zip(names, given, strict=True))), list(specs.values())
    )
    holder.all = holder.call.graph.get_collection("variables")
    tf.saved_model.save(holder, str(tmp_path / "saved"), signatures={})

    again = tf.saved_model.load(str(tmp_path / "saved"))
    expected = result(str(folder), {name: tensor.numpy() for name, tensor in inputs.items()})
    np.testing.assert_allclose(again.call(*inputs.values()), expected, rtol=1e-5)


@pytest.mark.parametrize("version", [1, 2])
def test_module_is_used_and_made_within_conditions_and_loops(version: int) -> None:
    (v1.enable_control_flow_v2 if version == 2 else v1.disable_control_flow_v2)()
    try:
        with session() as running:
            module = hub.Module(RICH, trainable=True)
            pred = v1.placeholder(tf.bool, [])
            chosen = v1.cond(pred, lambda: module(X), lambda: hub.Module(RICH, name="within")(X) * 2.0)
            _, total = v1.while_loop(
                lambda i, _: i < 3, lambda i, sum_: (i + 1, sum_ + module(X)), [0, tf.zeros([3, 3])]
            )
            (gradient,) = v1.gradients(tf.reduce_sum(chosen), [module.variable_map["hidden/kernel"]])
            initialize(running)
            plain = result(RICH, X)

            np.testing.assert_allclose(running.run(chosen, {pred: True}), plain, rtol=1e-6)
            np.testing.assert_allclose(running.run(chosen, {pred: False}), plain * 2.0, rtol=1e-6)
            np.testing.assert_allclose(running.run(total), plain * 3.0, rtol=1e-5)
            assert np.any(running.run(gradient, {pred: True}) != 0.0)
            assert np.all(running.run(gradient, {pred: False}) == 0.0)
    finally:
        v1.enable_control_flow_v2()


def test_update_ops_within_a_condition_are_left_out_with_a_warning() -> None:
    with session():
        module = hub.Module(RICH, trainable=True, tags={"train"})
        with pytest.warns(UserWarning, match="2 update ops cannot be run from outside"):
            v1.cond(tf.constant(True), lambda: module(X), lambda: tf.zeros([3, 3]))
        assert v1.get_collection(v1.GraphKeys.UPDATE_OPS) == []


def test_module_is_applied_beside_an_op_that_others_are_placed_with() -> None:
    with session() as running:
        anchor = tf.constant(1.0)
        with v1.colocate_with(anchor):
            output = hub.Module(RICH)(X)
        initialize(running)

        np.testing.assert_allclose(running.run(output), result(RICH, X), rtol=1e-6)
        assert not any(
            b"loc:@Const" in op.colocation_groups()
            for op in tf.compat.v1.get_default_graph().get_operations()
            if op.name.startswith("module/")
        )


def test_variables_lie_where_the_device_function_puts_them() -> None:
    with session():
        with v1.device(lambda op: "/cpu:0" if op.type == "VarHandleOp" else ""):
            module = hub.Module(RICH)

        assert {variable.device for variable in module.variables} == {"/cpu:0"}


def test_module_in_the_scope_of_a_strategy_has_variables_of_its_own() -> None:
    with session() as running:
        with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
            module = hub.Module(RICH)
            output = module(X)
        initialize(running)
        np.testing.assert_allclose(running.run(output), result(RICH, X), rtol=1e-6)


def test_tables_of_the_first_releases_work_in_sessions_and_wrapped_functions() -> None:
    def module_fn() -> None:
        x = v1.placeholder(tf.string, [None])
        table = v1.raw_ops.HashTable(key_dtype=tf.string, value_dtype=tf.int64)
        filled = v1.raw_ops.InitializeTable(table_handle=table, keys=["a", "b"], values=tf.constant([5, 6], tf.int64))
        v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, filled)
        found = v1.raw_ops.LookupTableFind(table_handle=table, keys=x, default_value=tf.constant(-1, tf.int64))
        hub.add_signature(inputs=x, outputs=found)

    spec = hub.create_module_spec(module_fn)
    with hub.eval_function_for_module(spec) as f:
        assert f(["b", "c"]).tolist() == [6, -1]
    wrapped = v1.wrap_function(lambda x: hub.Module(spec)(x), [tf.TensorSpec([None], tf.string)])
    assert wrapped(tf.constant(["a", "c"])).numpy().tolist() == [5, -1]
