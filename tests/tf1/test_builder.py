"""Making modules, and what a module_fn may not do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import rehub as hub

v1 = tf.compat.v1
Draft = Callable[[], None]


def double() -> None:
    x = v1.placeholder(tf.float32, [None, 2])
    w = v1.get_variable("w", initializer=np.full([2], 2.0, np.float32))
    hub.add_signature(inputs=x, outputs=x * w)


def weighted(scale: float = 1.0) -> None:
    x = v1.placeholder(tf.float32, [])
    w = v1.get_variable("w", initializer=3.0)
    hub.add_signature(inputs=x, outputs=x * w * scale)


def run(spec: Any, inputs: Any = None, *, tags: Any = None, **options: Any) -> Any:
    with hub.eval_function_for_module(spec, tags=tags) as evaluate:
        return evaluate(inputs, **options)


def graph_spec(build: Draft) -> hub.ModuleSpec:
    return hub.create_module_spec(build)


def write_checkpoint(prefix: Path, **values: Any) -> str:
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            v1.get_variable(name, initializer=np.asarray(value, np.float32))
        session.run(v1.global_variables_initializer())
        return str(v1.train.Saver().save(session, str(prefix)))


def test_module_made_in_an_eager_program_is_applied_exported_and_loaded(tmp_path: Path) -> None:
    spec = hub.create_module_spec(double)
    spec.export(tmp_path / "double")

    assert tf.executing_eagerly()
    for each in (spec, str(tmp_path / "double"), tmp_path / "double"):
        np.testing.assert_array_equal(run(each, [[1.0, 2.0]]), [[2.0, 4.0]])
    loaded = tf.saved_model.load(str(tmp_path / "double"), tags=[])
    np.testing.assert_array_equal(loaded.signatures["default"](tf.constant([[1.0, 2.0]]))["default"], [[2.0, 4.0]])


def test_variants_share_their_variables() -> None:
    spec = hub.create_module_spec(weighted, [(set(), {}), ({"train"}, {"scale": 10.0})])

    assert spec.get_tags() == [set(), {"train"}]
    assert run(spec, 2.0) == 6.0
    assert run(spec, 2.0, tags={"train"}) == 60.0


def test_export_takes_values_from_a_checkpoint_by_other_names(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path / "model.ckpt", other_w=5.0)
    spec = hub.create_module_spec(weighted)
    spec.export(tmp_path / "out", checkpoint_path=prefix, name_transform_fn=lambda name: f"other_{name}")

    assert run(str(tmp_path / "out"), 2.0) == 10.0


def test_export_of_a_loaded_module_keeps_its_values(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path / "model.ckpt", w=7.0)
    hub.create_module_spec(weighted).export(tmp_path / "first", checkpoint_path=prefix)
    hub.load_module_spec(tmp_path / "first").export(tmp_path / "second")

    assert run(str(tmp_path / "second"), 1.0) == 7.0


def test_module_is_written_to_and_read_from_a_remote_place(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("zero\none\n")

    def module_fn() -> None:
        path = tf.constant(str(words))
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, path)
        hub.add_signature(inputs={}, outputs=tf.io.read_file(path))

    spec = hub.create_module_spec(module_fn)
    spec.export("ram://modules/reader")
    words.unlink()

    assert run("ram://modules/reader") == b"zero\none\n"
    with pytest.raises(hub.errors.PublishError, match="exists"):
        spec.export("ram://modules/reader")
    with pytest.raises(hub.errors.NotFoundError):
        hub.load_module_spec("ram://modules/nothing")


@pytest.mark.parametrize("values", [{"v": 1.0}, {"w": [1.0, 2.0]}])
def test_checkpoint_that_does_not_fit_is_refused_and_nothing_is_written(tmp_path: Path, values: Any) -> None:
    prefix = write_checkpoint(tmp_path / "model.ckpt", **values)
    with pytest.raises(ValueError, match=r"lacks w\..*such as v|'w' has the shape \(2,\)"):
        hub.create_module_spec(weighted).export(tmp_path / "out", checkpoint_path=prefix)
    assert not (tmp_path / "out").exists()


def test_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(hub.errors.FormatError, match="no checkpoint at"):
        hub.create_module_spec(weighted).export(tmp_path / "out", checkpoint_path=str(tmp_path / "none"))


def test_module_is_used_within_another_module(tmp_path: Path) -> None:
    hub.create_module_spec(double).export(tmp_path / "double")

    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [None, 2])
        inner = hub.Module(str(tmp_path / "double"), trainable=True, name="inner")
        hub.add_signature(inputs=x, outputs=inner(x) + 1.0)

    spec = hub.create_module_spec(module_fn)
    spec.export(tmp_path / "outer")
    np.testing.assert_array_equal(run(str(tmp_path / "outer"), [[1.0, 2.0]]), [[3.0, 5.0]])
    with tf.Graph().as_default():
        assert list(hub.Module(str(tmp_path / "outer")).variable_map) == ["inner/w"]


@pytest.mark.parametrize("axis", [0, 1])
def test_partitioned_variables_are_exported_and_trained(tmp_path: Path, axis: int) -> None:
    value = np.arange(16, dtype=np.float32).reshape(4, 4)

    def part_of_value(shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        (row, column), (rows, columns) = partition_info.var_offset, shape
        return tf.constant(value[row : row + rows, column : column + columns], dtype)

    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [None, 4])
        w = v1.get_variable(
            "w",
            [4, 4],
            initializer=part_of_value,
            partitioner=v1.fixed_size_partitioner(2, axis=axis),
        )
        hub.add_signature(inputs=x, outputs=tf.matmul(x, tf.convert_to_tensor(w)))

    hub.create_module_spec(module_fn).export(tmp_path / "parts")
    np.testing.assert_array_equal(run(str(tmp_path / "parts"), np.eye(4)), value)
    np.testing.assert_array_equal(
        tf.train.load_checkpoint(str(tmp_path / "parts" / "variables" / "variables")).get_tensor("w"), value
    )
    with tf.Graph().as_default(), v1.Session() as session:
        module = hub.Module(str(tmp_path / "parts"), trainable=True)
        step = v1.train.GradientDescentOptimizer(1.0).minimize(tf.reduce_sum(module(np.eye(4, dtype=np.float32))))
        session.run(v1.global_variables_initializer())
        session.run(step)
        module.export(tmp_path / "tuned", session)
        assert len(module.variable_map["w"]) == 2
    np.testing.assert_array_equal(run(str(tmp_path / "tuned"), np.eye(4)), value - 1.0)


def test_custom_gradient_survives_export_into_another_process(tmp_path: Path) -> None:
    @tf.custom_gradient
    def reversed_gradient(x: Any) -> Any:
        return tf.identity(x), lambda upstream: -2.0 * upstream * x

    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [])
        in_function = tf.function(lambda y: reversed_gradient(y) * 3.0)
        hub.add_signature("plain", inputs=x, outputs=reversed_gradient(x))
        hub.add_signature("function", inputs=x, outputs=in_function(x))

    hub.create_module_spec(module_fn).export(tmp_path / "out")
    with tf.Graph().as_default(), v1.Session() as session:
        module, x = hub.Module(str(tmp_path / "out")), tf.constant(5.0)
        gradients = [v1.gradients(module(x, signature=name), x)[0] for name in ("plain", "function")]
        assert session.run(gradients) == [-10.0, -30.0]

    holder = tf.Module()
    holder.call = v1.wrap_function(
        lambda y: hub.Module(str(tmp_path / "out"))(y, signature="plain"), [tf.TensorSpec([], tf.float32)]
    )
    tf.saved_model.save(holder, str(tmp_path / "saved"), signatures={})
    for call in (holder.call, tf.saved_model.load(str(tmp_path / "saved")).call):
        y = tf.Variable(5.0)
        with tf.GradientTape() as tape:
            value = call(y)
        assert tape.gradient(value, y).numpy() == -10.0


def test_attached_messages_are_given_back(tmp_path: Path) -> None:
    info = hub.ImageModuleInfo()
    info.default_image_size.height, info.default_image_size.width = 2, 3

    def module_fn() -> None:
        double()
        hub.attach_message("my_info", info)

    hub.create_module_spec(module_fn).export(tmp_path / "out")
    spec = hub.load_module_spec(tmp_path / "out")
    assert spec.get_attached_message("my_info", hub.ImageModuleInfo) == info
    assert spec.get_attached_message("other", hub.ImageModuleInfo) is None
    with pytest.raises(KeyError, match=r"No attached message for key 'other'.*my_info"):
        spec.get_attached_message("other", hub.ImageModuleInfo, required=True)


def test_module_of_a_saved_model_has_its_signatures_variables_and_assets(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("zero\none\n")
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.string, [None])
        table = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            ),
            num_oov_buckets=1,
        )
        factor = v1.get_variable("factor", initializer=np.int64(4))
        y = table.lookup(x) * factor
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.Builder(str(tmp_path / "saved"))
        signature = v1.saved_model.predict_signature_def({"x": x}, {"default": y})
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"default": signature},
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=v1.tables_initializer(),
            strip_default_attrs=True,
        )
        builder.save()

    with pytest.raises(ValueError, match=r"Unsupported collections in graph: \['saved_model_main_op'\]"):
        hub.create_module_spec_from_saved_model(tmp_path / "saved")
    spec = hub.create_module_spec_from_saved_model(tmp_path / "saved", drop_collections=["saved_model_main_op"])
    spec.export(tmp_path / "module")
    words.unlink()
    written = saved_model_pb2.SavedModel.FromString((tmp_path / "module" / "saved_model.pb").read_bytes())
    assert not [node.op for node in written.meta_graphs[0].graph_def.node if node.op in ("SaveV2", "RestoreV2")]
    assert written.meta_graphs[0].signature_def["default"].method_name == ""
    for each in (spec, str(tmp_path / "module")):
        assert run(each, ["one", "zero", "other"], tags={"serve"}).tolist() == [4, 0, 8]


def test_saved_model_of_tensorflow_2_is_refused(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "two"))
    with pytest.raises(ValueError, match=r"SavedModel of TensorFlow 2.*hub\.load"):
        hub.create_module_spec_from_saved_model(tmp_path / "two")


def other_graph() -> None:
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [])
    hub.add_signature(inputs=x, outputs=tf.constant(1.0))


def loss() -> None:
    double()
    v1.add_to_collection(v1.GraphKeys.LOSSES, tf.constant(1.0))


def local_variable() -> None:
    double()
    v1.get_variable("secret", initializer=1.0, collections=[])


def references() -> None:
    count = v1.get_variable("count", initializer=np.arange(4, dtype=np.float32), use_resource=False)
    raised = v1.assign_add(count, [1.0, 1.0, 1.0, 1.0])
    hub.add_signature(inputs={}, outputs={"default": count._variable, "raised": raised})
    hub.add_signature("slice", inputs={}, outputs=count[0:2].assign([7.0, 8.0]))
    v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, v1.assign_sub(count, [0.0, 0.0, 0.0, 0.0])[1])


def test_outputs_that_are_references_give_values() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        module = hub.Module(hub.create_module_spec(references), trainable=True)
        outputs, changed = module(as_dict=True), module(signature="slice")
        (loss,) = v1.losses.get_regularization_losses()
        session.run(v1.global_variables_initializer())

        assert session.run(outputs["default"]).tolist() == [0.0, 1.0, 2.0, 3.0]
        assert session.run(loss) == 1.0
        assert session.run(outputs["raised"]).tolist() == [1.0, 2.0, 3.0, 4.0]
        assert session.run(changed).tolist() == [7.0, 8.0, 3.0, 4.0]


def test_graph_that_was_trained_with_references_makes_a_module(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [])
        w = v1.get_variable("w", initializer=3.0, use_resource=False)
        y = x * w
        chosen = v1.raw_ops.RefSelect(index=0, inputs=[w._ref(), w._ref()])
        step = v1.train.AdamOptimizer(0.5).minimize(y)
        session.run(v1.global_variables_initializer())
        session.run(step, {x: 1.0})
        builder = v1.saved_model.Builder(str(tmp_path / "saved"))
        signatures = {
            "default": v1.saved_model.predict_signature_def({"x": x}, {"default": y}),
            "chosen": v1.saved_model.predict_signature_def({"x": x}, {"default": chosen * x}),
        }
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()
        trained = session.run(w)

    spec = hub.create_module_spec_from_saved_model(tmp_path / "saved", drop_collections=["train_op"])
    assert run(spec, 2.0, tags={"serve"}) == 2.0 * trained
    with pytest.raises(hub.errors.ConversionError, match="'RefSelect'"):
        run(spec, 1.0, tags={"serve"}, signature="chosen")


def test_ops_that_share_what_they_hold_but_take_inputs_belong_to_the_application() -> None:
    def module_fn() -> None:
        x = v1.sparse_placeholder(tf.float32, [None, 3])
        handles = v1.raw_ops.AddManySparseToTensorsMap(
            sparse_indices=x.indices, sparse_values=x.values, sparse_shape=x.dense_shape, shared_name="rows"
        )
        back = v1.raw_ops.TakeManySparseFromTensorsMap(sparse_handles=handles, dtype=tf.float32, shared_name="rows")
        hub.add_signature(inputs=x, outputs=tf.reduce_sum(back.sparse_values))

    with tf.Graph().as_default(), v1.Session() as session:
        outputs = hub.Module(hub.create_module_spec(module_fn))(tf.sparse.from_dense([[1.0, 0.0, 2.0]]))
        assert session.run(outputs) == 3.0


def test_variable_of_another_shape_in_another_variant_is_refused() -> None:
    def module_fn(size: int) -> None:
        hub.add_signature(inputs={}, outputs=v1.get_variable("w", [size]) + 0.0)

    with pytest.raises(ValueError, match=r"'w' is not the same in all graph variants.*\['t'\].*\[3\].*\[2\]"):
        hub.create_module_spec(module_fn, [(set(), {"size": 2}), ({"t"}, {"size": 3})])


@pytest.mark.parametrize(
    ("module_fn", "says"),
    [
        (lambda: None, r"No signatures present. Please call hub\.add_signature"),
        (other_graph, "Signature 'default', input 'default': .* is of another graph"),
        (loss, r"Unsupported collections in graph: \['losses'\].*drop_collections"),
        (local_variable, "variables that are not among the global variables: secret"),
        (lambda: hub.add_signature(inputs={}, outputs="text"), "output 'default': str is no tensor"),
        (lambda: hub.attach_message("1st", hub.ImageModuleInfo()), "malformed key '1st'"),
    ],
)
def test_module_fn_that_makes_no_module_is_refused(module_fn: Draft, says: str) -> None:
    with pytest.raises(ValueError, match=says) as info:
        hub.create_module_spec(module_fn)
    assert isinstance(info.value, hub.errors.PublishError)


def test_signature_that_is_added_again_takes_the_place_of_the_first() -> None:
    def module_fn() -> None:
        double()
        with pytest.warns(UserWarning, match="'default' is added again"):
            hub.add_signature(inputs={}, outputs=tf.constant(5.0))

    assert run(hub.create_module_spec(module_fn)) == 5.0


def test_spec_is_pickled_with_its_graphs() -> None:
    spec = hub.create_module_spec(weighted)
    assert run(spec, 2.0) == 6.0
    assert run(pickle.loads(pickle.dumps(spec)), 2.0) == 6.0


def test_collection_that_is_dropped_does_no_harm() -> None:
    spec = hub.create_module_spec(loss, drop_collections=[v1.GraphKeys.LOSSES])

    np.testing.assert_array_equal(run(spec, [[1.0, 1.0]]), [[2.0, 2.0]])


def test_tags_used_twice_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Tags \['a'\] used repeatedly"):
        hub.create_module_spec(double, [({"a"}, {}), ({"a"}, {})])


def test_signature_outside_of_a_graph_is_refused() -> None:
    with pytest.raises(hub.errors.UsageError, match="where no graph is being built"):
        hub.add_signature(inputs={}, outputs=tf.constant(1.0))


@pytest.mark.filterwarnings("ignore:`tf.layers.dense` is deprecated:UserWarning")
def test_layers_of_tensorflow_1_make_a_module_or_say_what_to_install_beside_keras_3() -> None:
    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [None, 2])
        hub.add_signature(inputs=x, outputs=v1.layers.dense(x, 3))

    if hasattr(tf.keras, "version"):  # only Keras 3 has it
        with pytest.raises(hub.errors.DependencyError, match=r"tf_keras.*TF_USE_LEGACY_KERAS=1.*get_variable"):
            hub.create_module_spec(module_fn)
    else:
        assert run(hub.create_module_spec(module_fn), [[1.0, 2.0]]).shape == (1, 3)
