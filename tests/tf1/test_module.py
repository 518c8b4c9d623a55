"""What users of a module rely on: what it adds to the graph, what it takes and returns, and what it exports."""

from __future__ import annotations

import concurrent.futures
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.server.embedded import EmbeddedHub
from tests.tf1.sessions import HALF, MODULES, RICH, TEXT, X, initialize, published, result, session

v1 = tf.compat.v1


def test_module_that_is_never_applied_adds_its_variables_alone() -> None:
    with session() as running:
        module = hub.Module(RICH)
        initialize(running)

        assert running.run(module.variable_map["out/bias"]).tolist() == published("out/bias").tolist()
        assert not [op for op in module.graph.get_operations() if "apply" in op.name]


def test_applications_share_variables_and_lie_in_scopes_of_their_own() -> None:
    with session() as running:
        with v1.variable_scope("outer"):
            module = hub.Module(RICH)
        with v1.name_scope("here"):
            first, second = module(X), module(X)
        initialize(running)

        assert len(v1.global_variables()) == 8
        assert module.variable_map["out/bias"].name == "outer/module/out/bias:0"
        assert [tensor.name.partition("_apply_")[0] for tensor in (first, second)] == ["here/module", "here/module"]
        assert first.name != second.name
        np.testing.assert_array_equal(*running.run([first, second]))


def test_second_module_gets_a_scope_and_variables_of_its_own() -> None:
    with session() as running:
        first, second = hub.Module(RICH), hub.Module(RICH)
        initialize(running)
        running.run(second.variable_map["out/bias"].assign([9.0, 9.0, 9.0]))

        assert second.variable_map["out/bias"].op.name == "module_1/out/bias"
        np.testing.assert_array_equal(running.run(first.variable_map["out/bias"]), published("out/bias"))


def test_names_of_its_variables_are_taken_for_whatever_comes_later() -> None:
    with session():
        hub.Module(HALF)
        with v1.variable_scope("module", auxiliary_name_scope=False), v1.name_scope("module/"):
            assert v1.get_variable("a", [2], use_resource=True).op.name == "module/a_1"
        assert tf.constant(1.0, name="module/b").op.name == "module/b_1"


def test_initializer_reads_from_disk_again_and_no_value_is_in_the_graph(tmp_path: Path) -> None:
    folder = tmp_path / "large"

    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [None, 300])
        w = v1.get_variable("w", [300, 300], initializer=v1.random_normal_initializer(seed=1))
        hub.add_signature(inputs=x, outputs=tf.matmul(x, w))

    hub.create_module_spec(module_fn).export(folder)
    with session() as running:
        module = hub.Module(str(folder), trainable=True)
        module(np.ones([1, 300], np.float32))
        assert len(module.graph.as_graph_def().SerializeToString()) < 20_000
        initialize(running)
        before = running.run(module.variable_map["w"])
        running.run(module.variable_map["w"].assign(np.zeros([300, 300])))
        initialize(running)

        np.testing.assert_array_equal(running.run(module.variable_map["w"]), before)
        assert np.any(before != 0.0)


def test_module_without_checkpoint_begins_with_initializers_that_use_one_another() -> None:
    def module_fn() -> None:
        def begun(variable: Any) -> Any:
            known = v1.is_variable_initialized(variable)
            return v1.cond(known, variable.read_value, lambda: variable.initial_value)

        first = v1.get_variable("first", initializer=3.0)
        second = v1.get_variable("second", initializer=begun(first) * 2.0)
        third = v1.Variable(begun(second) + 1.0, name="third")
        hub.add_signature(inputs={}, outputs=third + 0.0)

    with session() as running:
        output = hub.Module(hub.create_module_spec(module_fn))()
        initialize(running)

        assert running.run(output) == 7.0


def test_only_trainable_module_fills_the_collections() -> None:
    with session():
        hub.Module(RICH, tags={"train"})(X)
        assert not v1.trainable_variables()
        assert not v1.losses.get_regularization_losses()
        assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        assert len(v1.global_variables()) == 8

        module = hub.Module(RICH, trainable=True, tags={"train"})
        module(X)
        names = {variable.op.name for variable in v1.trainable_variables()}
        assert names == {
            f"module_1/{name}"
            for name in ("hidden/kernel", "hidden/bias", "bn/gamma", "bn/beta", "out/kernel", "out/bias")
        }
        assert len(v1.losses.get_regularization_losses()) == 2
        updates = len(v1.get_collection(v1.GraphKeys.UPDATE_OPS))
        assert updates == 2
        module(X)
        assert len(v1.get_collection(v1.GraphKeys.UPDATE_OPS)) == 2 * updates


def test_update_ops_that_need_what_is_not_fed_are_left_out() -> None:
    with session() as running:
        module = hub.Module(RICH, trainable=True, tags={"train"})
        module(np.ones([2, 6], np.float32), signature="from_hidden")
        initialize(running)

        assert v1.get_collection(v1.GraphKeys.UPDATE_OPS) == []
        running.run(v1.get_collection(v1.GraphKeys.UPDATE_OPS))


def test_only_what_is_fetched_runs() -> None:
    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [])
        checked = tf.debugging.check_numerics(tf.math.log(x), "the other output")
        hub.add_signature(inputs=x, outputs={"default": x * 2.0, "other": checked})

    with session() as running:
        outputs = hub.Module(hub.create_module_spec(module_fn))(-1.0, as_dict=True)

        assert running.run(outputs["default"]) == -2.0
        with pytest.raises(tf.errors.InvalidArgumentError, match="the other output"):
            running.run(outputs["other"])


def test_inputs_are_named_and_outputs_come_as_dict() -> None:
    with session() as running:
        module = hub.Module(RICH)
        outputs = module({"a": np.ones([1, 3]), "b": [[1.0, 2.0, 3.0]]}, signature="two_in", as_dict=True)
        initialize(running)

        assert set(outputs) == {"sum", "default"}
        assert module.get_signature_names() == ["default", "from_hidden", "multi", "no_in", "passthrough", "two_in"]
        assert module.get_input_info_dict("two_in")["a"].get_shape().as_list() == [None, 3]
        assert module.get_output_info_dict()["default"].dtype == tf.float32
        assert running.run(outputs["sum"]).shape == (1, 3)


def test_sparse_and_ragged_values_are_converted() -> None:
    module_folder = str(MODULES / "sparse_ragged")
    sparse = v1.SparseTensorValue([[0, 1]], [2.0], [2, 4])
    with session() as running:
        module = hub.Module(module_folder)
        info = module.get_input_info_dict("sparse")
        (name,) = info
        assert info[name].is_sparse
        output = module({name: sparse}, signature="sparse")
        (ragged,) = module.get_input_info_dict("ragged")
        rows = module(
            {ragged: tf.ragged.constant([[1], [2, 3]], module.get_input_info_dict("ragged")[ragged].dtype)},
            signature="ragged",
        )
        initialize(running)

        assert running.run(output) is not None
        assert running.run(rows) is not None
        with pytest.raises(TypeError, match=r"sparse|Sparse"):
            module({name: np.ones([2, 4])}, signature="sparse")


def test_tables_and_assets_come_along() -> None:
    with session() as running:
        output = hub.Module(TEXT)(tf.constant(["the cat", "nothing known"]))
        paths = v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)
        initialize(running)

        assert running.run(output).shape == (2, 4)
        assert Path(running.run(paths[0]).decode()).parent == Path(TEXT, "assets")


def test_url_is_a_handle_and_comes_from_the_cache_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    shutil.copytree(RICH, tmp_path / "hub" / "acme" / "rich" / "1")
    with EmbeddedHub(tmp_path / "hub") as server:
        url = f"{server.url}/acme/rich/1"
        first = result(url, X)

    np.testing.assert_array_equal(result(url, X), first)
    np.testing.assert_array_equal(result(RICH, X), first)


def test_export_writes_the_tuned_values_of_the_session(tmp_path: Path) -> None:
    with session() as running:
        module = hub.Module(RICH, trainable=True, tags={"train"})
        loss = tf.reduce_sum(module(X) ** 2)
        step = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        initialize(running)
        running.run(step)
        count = len(module.graph.get_operations())
        module.graph.finalize()
        module.export(str(tmp_path / "tuned"), running)
        tuned = running.run(module.variable_map["out/bias"])

    assert count == len(module.graph.get_operations())
    assert np.any(tuned != published("out/bias"))
    with session() as running:
        again = hub.Module(str(tmp_path / "tuned"))
        initialize(running)
        np.testing.assert_array_equal(running.run(again.variable_map["out/bias"]), tuned)
    assert hub.load_module_spec(tmp_path / "tuned").get_tags() == hub.load_module_spec(RICH).get_tags()
    assert set(tf.saved_model.load(str(tmp_path / "tuned"), tags=[]).signatures) == set(module.get_signature_names())


def test_export_to_a_path_that_exists_leaves_it_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with session() as running:
        module = hub.Module(HALF)
        initialize(running)
        with pytest.raises(hub.errors.PublishError, match="exists"):
            module.export(str(tmp_path), running)

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_export_with_a_session_of_another_graph_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default():
        module = hub.Module(HALF)
    with session() as running, pytest.raises(RuntimeError, match="session graph differs"):
        module.export(str(tmp_path / "out"), running)
    assert list(tmp_path.iterdir()) == []


def test_evaluation_function_runs_signatures() -> None:
    with hub.eval_function_for_module(HALF) as f:
        np.testing.assert_allclose(f([2.0, 4.0]), [3.0, 4.0])
    with hub.eval_function_for_module(RICH, tags={"train"}) as f:
        outputs = f({"a": np.ones([1, 3]), "b": np.ones([1, 3])}, signature="two_in", as_dict=True)
        assert set(outputs) == {"sum", "default"}


@pytest.mark.parametrize("arguments", [(), ({"a": [[1.0, 1.0, 1.0]]},), ([[1.0, 1.0, 1.0]],)])
def test_evaluation_function_refuses_wrong_inputs(arguments: tuple[Any, ...]) -> None:
    with hub.eval_function_for_module(RICH) as f, pytest.raises(TypeError, match=r"missing|multiple inputs"):
        f(*arguments, signature="two_in")


def test_evaluation_function_works_in_other_threads_and_graphs() -> None:
    with hub.eval_function_for_module(HALF) as f, concurrent.futures.ThreadPoolExecutor() as pool:
        assert pool.submit(f, [2.0]).result().tolist() == [3.0]
        with tf.Graph().as_default():
            assert f([4.0], as_dict=True)["default"].tolist() == [4.0]
