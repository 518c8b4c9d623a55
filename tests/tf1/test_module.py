"""What users of a module rely on: where it can be used, what it adds to the graph, and what it refuses."""

from __future__ import annotations

import concurrent.futures
import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.server.embedded import EmbeddedHub

v1 = tf.compat.v1
MODULES = Path(__file__).parents[1] / "data" / "tf1_hub"
RICH, TEXT, HALF = (str(MODULES / name) for name in ("rich", "text_vocab", "half_plus_two"))
X = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)


@contextlib.contextmanager
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), v1.Session() as running:
        yield running


def initialize(running: Any) -> None:
    running.run([v1.global_variables_initializer(), v1.tables_initializer()])


def published(name: str) -> Any:
    return tf.train.load_checkpoint(f"{RICH}/variables/variables").get_tensor(name)


def result(folder: str, inputs: Any, **options: Any) -> Any:
    with session() as running:
        output = hub.Module(folder)(inputs, **options)
        initialize(running)
        return running.run(output)


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


@pytest.mark.parametrize(
    ("shape", "name", "says"),
    [
        ([2, 2], "w", r"'w' has the shape \(2, 2\) in the checkpoint .* and \(3, 2\) in the module"),
        ([3, 2], "v", "lacks w"),
        (None, "", "lacks variables/variables.index"),
    ],
)
def test_module_whose_checkpoint_does_not_fit_is_refused(
    tmp_path: Path, shape: list[int] | None, name: str, says: str
) -> None:
    def module_fn() -> None:
        hub.add_signature(inputs={}, outputs=v1.get_variable("w", [3, 2]) + 0.0)

    folder = tmp_path / "module"
    hub.create_module_spec(module_fn).export(folder)
    shutil.rmtree(folder / "variables")
    if shape is not None:
        with session() as running:
            v1.get_variable(name, shape)
            initialize(running)
            v1.train.Saver().save(running, str(folder / "variables" / "variables"))

    with tf.Graph().as_default(), pytest.raises(hub.errors.FormatError, match=says):
        hub.Module(str(folder))


def test_eager_execution_is_refused() -> None:
    with pytest.raises(hub.errors.UsageError, match=r"eager execution is enabled.*tf\.Graph"):
        hub.Module(RICH)


def test_function_of_tensorflow_2_is_refused_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    @tf.function(autograph=False)
    def apply(x: Any) -> Any:
        return hub.Module(RICH)(x)

    with pytest.raises(hub.errors.UsageError, match=r"inside a tf\.function.*hub\.load"):
        apply(tf.constant(X))
    assert list(tmp_path.iterdir()) == []


def test_other_graph_is_refused() -> None:
    with tf.Graph().as_default():
        module = hub.Module(RICH)
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match="in the graph it was instantiated for"):
        module(X)


def test_name_scope_that_is_taken_is_refused() -> None:
    with tf.Graph().as_default():
        with v1.name_scope("taken"):
            tf.constant(1.0)
        with pytest.raises(RuntimeError, match="variable_scope taken/ was unused but the corresponding name_scope"):
            hub.Module(RICH, name="taken")


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda m: m(X, signature="nope"), ValueError, r"'nope' is missing.*'two_in'"),
        (lambda m: m(), TypeError, "expects an input"),
        (lambda m: m(X, signature="two_in"), TypeError, "multiple inputs. Use a dict with the keys a, b"),
        (lambda m: m({"a": 1.0}, signature="two_in"), TypeError, r"missing \['b'\], extra given \[\]"),
        (lambda m: m({"default": X, "more": X}), TypeError, r"missing \[\], extra given \['more'\]"),
        (lambda m: m(X, signature="no_in"), TypeError, "expects no inputs"),
        (lambda m: m(tf.constant(X, tf.float64)), TypeError, "float64.*expects .*float32"),
        (lambda m: m(X[:, :2]), TypeError, r"shape=\(3, 2\).*expects .*shape=\(None, 4\)"),
        (lambda m: m(["text"]), TypeError, "expects .*float32"),
        (lambda m: m(tf.sparse.from_dense(X)), TypeError, "Sparse"),
    ],
)
def test_wrong_call_is_refused_with_what_the_signature_takes(
    call: Callable[[Any], Any], kind: type[Exception], says: str
) -> None:
    with tf.Graph().as_default():
        module = hub.Module(RICH)
        with pytest.raises(kind, match=says) as info:
            call(module)
    assert isinstance(info.value, hub.errors.SignatureError)


def test_output_default_is_missing_where_the_signature_has_none() -> None:
    def module_fn() -> None:
        hub.add_signature(inputs={}, outputs={"cats": tf.constant(1.0), "dogs": tf.constant(2.0)})

    with tf.Graph().as_default():
        module = hub.Module(hub.create_module_spec(module_fn))
        with pytest.raises(TypeError, match=r"no output named 'default'. Use as_dict=True. The outputs are cats, dogs"):
            module()


def test_unknown_tags_are_refused_with_those_that_exist() -> None:
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match=r"tags=\['nope'\].*Choose one.*\['train'\]"),
    ):
        hub.Module(RICH, tags={"nope"})


def test_saved_model_is_refused_with_what_loads_it() -> None:
    folder = MODULES.parent / "saved_models" / "module"
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match=r"not a module in TF1 Hub format. Load it with hub\.load"),
    ):
        hub.Module(str(folder))


def test_something_else_is_no_handle() -> None:
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Unknown module spec type: <class 'int'>"):
        hub.Module(3)


def test_module_that_reads_other_files_is_refused_by_setting(tmp_path: Path) -> None:
    def module_fn() -> None:
        hub.add_signature(inputs={}, outputs=tf.io.read_file("/etc/hostname"))

    hub.create_module_spec(module_fn).export(tmp_path / "reader")
    with hub.settings(op_policy="refuse"), tf.Graph().as_default(), pytest.raises(hub.errors.PolicyError):
        hub.Module(str(tmp_path / "reader"))
