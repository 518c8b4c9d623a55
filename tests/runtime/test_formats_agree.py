"""What the readers without TensorFlow say is what TensorFlow says."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import variable_pb2
from tensorflow.core.protobuf import saved_model_pb2, tensor_bundle_pb2

from rehub.formats import checkpoint_data, checkpoint_index, dtype, schema
from rehub.model import model_info
from rehub.model.op_packages import core_ops
from rehub.model.variables import Variable
from rehub.runtime.reusable import describe_spec
from rehub.signature import describe

DATA = Path(__file__).parent.parent / "data"


def models() -> list[Path]:
    rooms = ("saved_models", "tf1_hub")
    folders = [path.parent for room in rooms for path in sorted(DATA.glob(f"{room}/*/saved_model.pb*"))]
    # Of TensorFlow 2.5 and 2.3; the environments of the rows hold these packages.
    folders.append(installed("guesslang") / "data/model")
    folders += sorted((installed("quickspacer") / "resources/default_saved_model").iterdir())
    return folders


def installed(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is part of the test environments"
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


MODELS = pytest.mark.parametrize("folder", models(), ids=lambda folder: f"{folder.parent.name}/{folder.name}")


def parsed_by_tensorflow(folder: Path) -> Any:
    message = saved_model_pb2.SavedModel()
    text = folder / "saved_model.pbtxt"
    if text.exists():
        return text_format.Parse(text.read_text(), message)
    message.ParseFromString((folder / "saved_model.pb").read_bytes())
    return message


def spec_of(info: Any) -> tuple[str, list[int | None] | None, str]:
    kind, shape, number = "dense", info.tensor_shape, info.dtype
    if info.HasField("coo_sparse"):
        kind = "sparse"
    if info.HasField("composite_tensor"):
        kind = "ragged"
        shape, number = (value for value in info.composite_tensor.type_spec.type_state.tuple_value.values[:2])
        shape, number = shape.tensor_shape_value, number.tensor_dtype_value
    static = tf.TensorShape(shape)
    return tf.as_dtype(number).name, None if static.rank is None else static.as_list(), kind


@MODELS
def test_signatures_are_those_that_tensorflow_parses(folder: Path) -> None:
    ours = model_info.describe(folder).meta_graphs
    theirs = parsed_by_tensorflow(folder).meta_graphs
    assert [graph.tags for graph in ours] == [frozenset(graph.meta_info_def.tags) for graph in theirs]
    for our, their in zip(ours, theirs, strict=True):
        expected = {
            name: [{key: spec_of(info) for key, info in side.items()} for side in (signature.inputs, signature.outputs)]
            for name, signature in their.signature_def.items()
            if name != "__saved_model_init_op"
        }
        assert {
            signature.name: [
                {spec.name: (spec.dtype, None if spec.shape is None else list(spec.shape), spec.kind) for spec in side}
                for side in (signature.inputs, signature.outputs)
            ]
            for signature in our.signatures
        } == expected


@MODELS
def test_entries_are_those_of_tensorflows_checkpoint_reader(folder: Path) -> None:
    index = folder / "variables/variables.index"
    if not index.exists():
        assert not any(graph.variables for graph in model_info.describe(folder).meta_graphs)
        return
    reader = tf.train.load_checkpoint(str(folder / "variables/variables"))
    dtypes = reader.get_variable_to_dtype_map()
    ours = {
        entry.name: (entry.dtype, list(entry.shape))
        for entry in checkpoint_index.read(index).entries
        if not entry.is_slice
    }
    assert ours == {name: (dtypes[name].name, shape) for name, shape in reader.get_variable_to_shape_map().items()}


@MODELS
def test_tensorflow_loads_what_is_whole(folder: Path) -> None:
    assert model_info.missing_files(folder) == ()
    for tags in model_info.describe(folder).tag_sets:
        tf.saved_model.load(str(folder), tags=sorted(tags))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("saved_models/module", "assets/words.txt"),
        ("saved_models/module", "variables/variables.index"),
        ("saved_models/no_variables", "variables/variables.index"),
        ("saved_models/keras3", "variables/variables.data-00000-of-00001"),
    ],
)
def test_tensorflow_does_not_load_what_is_not_whole(model: str, name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / model, tmp_path / "model"))
    (folder / name).unlink()
    assert model_info.missing_files(folder) == (name,)
    with pytest.raises((tf.errors.OpError, OSError)):
        tf.saved_model.load(str(folder))


def test_read_follows_checkpoints_of_many_blocks_and_shards(tmp_path: Path) -> None:
    names = [f"layer_{number:04d}/a_rather_long_name_of_a_kernel/.ATTRIBUTES/VARIABLE_VALUE" for number in range(6000)]
    parts = [str(tmp_path / f"part{number}") for number in range(2)]
    for number, part in enumerate(parts):
        chosen = names[number::2]
        tf.raw_ops.SaveV2(
            prefix=part, tensor_names=chosen, shape_and_slices=[""] * 3000, tensors=[tf.zeros([number + 1])] * 3000
        )
    prefix = str(tmp_path / "variables")
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix)
    index = checkpoint_index.read(tmp_path / "variables.index")
    assert [entry.name for entry in index.entries] == names
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("variables.data-*")}
    assert index.shard_sizes() == sizes
    assert sorted(sizes.values()) == [12000, 24000]


def test_dtypes_have_tensorflows_names() -> None:
    numbers = {number: tf.as_dtype(number).name for number in range(1, 140) if _is_dtype(number)}
    assert {number: dtype.name(number) for number in numbers} == numbers


def test_dtypes_have_tensorflows_sizes() -> None:
    for number in filter(_is_dtype, range(1, 100)):
        theirs = tf.as_dtype(number)
        expected = None if theirs in (tf.string, tf.resource, tf.variant) else theirs.size
        assert dtype.item_bytes(theirs.name) == expected, theirs


def _is_dtype(number: int) -> bool:
    try:
        tf.as_dtype(number)
    except TypeError:
        return False
    return True


def test_schema_has_tensorflows_names_numbers_and_types() -> None:
    pairs = [
        ("SavedModel", saved_model_pb2.SavedModel),
        ("BundleHeaderProto", tensor_bundle_pb2.BundleHeaderProto),
        ("BundleEntryProto", tensor_bundle_pb2.BundleEntryProto),
        ("VariableDef", variable_pb2.VariableDef),
    ]
    waiting = [(schema.message(f"tensorflow.{name}").DESCRIPTOR, theirs.DESCRIPTOR) for name, theirs in pairs]
    seen = set()
    while waiting:
        ours, theirs = waiting.pop()
        assert ours.full_name == theirs.full_name
        if ours.full_name in seen:
            continue
        seen.add(ours.full_name)
        for field in ours.fields:
            their = theirs.fields_by_name.get(field.name)
            if their is None:
                # TensorFlow of an older release: then the number must be free there.
                assert field.number not in theirs.fields_by_number, (ours.full_name, field.name)
                continue
            assert (field.number, field.type) == (their.number, their.type), (ours.full_name, field.name)
            assert _is_repeated(field) == _is_repeated(their), (ours.full_name, field.name)
            if field.message_type:
                waiting.append((field.message_type, their.message_type))
            if field.enum_type:
                our_values = {value.name: value.number for value in field.enum_type.values}
                assert our_values.items() >= {value.name: value.number for value in their.enum_type.values}.items()
    assert len(seen) > 60


def _is_repeated(field: Any) -> bool:
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def test_checkpoints_hold_the_values_that_their_entries_point_to() -> None:
    folder = DATA / "tf1_hub/image/variables"
    reader = tf.train.load_checkpoint(str(folder / "variables"))
    data = (folder / "variables.data-00000-of-00001").read_bytes()
    for entry in checkpoint_index.read(folder / "variables.index").entries:
        stored = np.frombuffer(data, entry.dtype, offset=entry.offset, count=entry.size_bytes // 4)
        np.testing.assert_array_equal(stored.reshape(entry.shape), reader.get_tensor(entry.name))


def loaded_graphs(folder: Path) -> list[tuple[model_info.GraphInfo, Any]]:
    """What we say of each graph, and what TensorFlow makes of it."""
    graphs = model_info.describe(folder).meta_graphs
    return [(graph, tf.saved_model.load(str(folder), tags=sorted(graph.tags))) for graph in graphs]


def follow(obj: Any, path: str) -> Any:
    """The object at a path; entries of lists and dicts are no attributes."""
    for name in filter(None, path.split(".")):
        if isinstance(obj, (list, tuple)):
            obj = obj[int(name)]
        elif isinstance(obj, dict):
            obj = obj[name]
        else:
            obj = getattr(obj, name)
    return obj


def facts_of(variable: Any) -> tuple[str, str, int]:
    value = variable.numpy()
    size = sum(map(len, value.ravel())) if value.dtype == object else value.nbytes
    return variable.name.removesuffix(":0"), variable.dtype.name.removesuffix("_ref"), size


def facts(variable: Variable) -> tuple[str, str, int]:
    size = variable.size_bytes
    assert size is not None
    if variable.dtype == "string":  # stored with a length of one byte each, and one checksum
        assert variable.shape is not None
        size -= int(np.prod(variable.shape)) + 4
    return variable.name, variable.dtype.removesuffix("_ref"), size


@MODELS
def test_variables_are_those_that_tensorflow_restores(folder: Path) -> None:
    for graph, obj in loaded_graphs(folder):
        if not graph.objects:
            continue
        for variable in (*graph.variables, *graph.spare_variables):
            restored = follow(obj, variable.path)
            assert facts(variable) == facts_of(restored), variable.path
            if None not in restored.shape.as_list():
                assert variable.shape == tuple(restored.shape)
        for name in ("variables", "trainable_variables"):
            if hasattr(obj, name):
                listed = sorted(v.name.removesuffix(":0") for v in getattr(obj, name))
                ours = [v for v in graph.variables if v.is_trainable or name == "variables"]
                assert sorted(v.name for v in ours) == listed
        assert graph.regularization_losses == len(getattr(obj, "regularization_losses", None) or [])


@MODELS
def test_variables_of_graphs_are_those_that_tensorflow_imports(folder: Path) -> None:
    v1 = tf.compat.v1
    theirs = parsed_by_tensorflow(folder).meta_graphs
    for graph, message in zip(model_info.describe(folder).meta_graphs, theirs, strict=True):
        if graph.objects:
            continue
        with tf.Graph().as_default():
            v1.train.import_meta_graph(message)
            for variables, ours in (
                (v1.global_variables(), graph.variables),
                (v1.trainable_variables(), [variable for variable in graph.variables if variable.is_trainable]),
            ):
                expected = [(v.op.name, v.dtype.name.removesuffix("_ref"), tuple(v.shape)) for v in variables]
                assert [(v.name, v.dtype, v.shape) for v in ours] == expected
            assert graph.regularization_losses == len(v1.losses.get_regularization_losses())


def in_order(nest: Any) -> Any:
    """The same with sorted dicts: TensorFlow restores them in an order that changes."""
    if isinstance(nest, dict):
        return {key: in_order(nest[key]) for key in sorted(nest)}
    return type(nest)(map(in_order, nest)) if type(nest) in (list, tuple) else nest


@MODELS
def test_functions_are_those_that_tensorflow_restores(folder: Path) -> None:
    for graph, obj in loaded_graphs(folder):
        for function in graph.functions:
            restored = follow(obj, function.path)
            concrete = getattr(restored, "concrete_functions", None) or [restored]
            expected = []
            for trace in concrete:
                args, kwargs = trace.structured_input_signature
                values = [*args, *(kwargs[name] for name in sorted(kwargs))]
                outputs = in_order(trace.structured_outputs)
                expected.append(([describe_spec(in_order(value)) for value in values], describe_spec(outputs)))
            ours = [([describe(v) for _, v in t.arguments], describe(t.outputs)) for t in function.traces]
            assert sorted(ours) == sorted(expected), function.path


@MODELS
def test_objects_lie_where_tensorflow_puts_them(folder: Path) -> None:
    for graph, obj in loaded_graphs(folder):
        for entry in graph.objects:
            if not entry.is_public or entry.path.startswith("signatures."):
                continue
            found = follow(obj, entry.path)
            if entry.same_as is not None and entry.kind != "function":
                assert found is follow(obj, entry.same_as), entry.path
            if entry.kind == "variable":
                assert isinstance(found, tf.Variable)
            if entry.kind == "function":
                assert callable(found)


@MODELS
def test_ops_are_those_that_tensorflow_parses(folder: Path) -> None:
    for ours, theirs in zip(
        model_info.describe(folder).meta_graphs, parsed_by_tensorflow(folder).meta_graphs, strict=True
    ):
        library = {function.signature.name for function in theirs.graph_def.library.function}
        bodies = [theirs.graph_def.node, *(function.node_def for function in theirs.graph_def.library.function)]
        names = [node.op for body in bodies for node in body if node.op not in library]
        assert ours.ops == {name: names.count(name) for name in sorted(set(names))}
        assert (ours.findings, ours.custom_ops) == ((), ())


@MODELS
def test_endpoints_can_be_fed_and_fetched(folder: Path) -> None:
    for graph, obj in loaded_graphs(folder):
        for spec in (*graph.endpoints.inputs, *graph.endpoints.outputs):
            tensor = obj.graph.get_tensor_by_name(spec.name)
            if spec.dtype:
                assert tensor.dtype.name == spec.dtype
            if spec.shape is not None:
                assert tensor.shape.as_list() == list(spec.shape)


def test_core_ops_hold_all_that_this_tensorflow_has() -> None:
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    listing = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    assert {op.name for op in listing.op if not op.name.startswith("_")} <= core_ops().keys()


class Spy(tf.Module):
    """Reaches out in each function, but for `harmless`, which reads its own asset."""

    def __init__(self, asset: str) -> None:
        super().__init__()
        self.asset = tf.saved_model.Asset(asset)

    @tf.function(input_signature=[])
    def harmless(self) -> Any:
        return tf.io.read_file(self.asset.asset_path)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def reads(self, path: Any) -> Any:
        return tf.io.read_file(path)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def writes(self, text: Any) -> Any:
        tf.io.write_file("/tmp/spied", text)
        return text

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def counts_lines(self, path: Any) -> Any:
        return tf.data.TextLineDataset(path).reduce(0, lambda count, _: count + 1)

    @tf.function(input_signature=[tf.TensorSpec([2], tf.float32)])
    def calls_python(self, x: Any) -> Any:
        return tf.numpy_function(lambda value: value, [x], tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([2], tf.float32)])
    def sometimes_calls_python(self, x: Any) -> Any:
        return tf.cond(x[0] > 0, lambda: tf.py_function(lambda value: value, [x], tf.float32), lambda: x)


def test_findings_name_what_tensorflow_really_exports(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("own")
    tf.saved_model.save(Spy(str(tmp_path / "own.txt")), str(tmp_path / "spy"))
    (graph,) = model_info.describe(tmp_path / "spy").meta_graphs
    found = {(finding.op, finding.reach) for finding in graph.findings}
    expected = {("ReadFile", "files"), ("WriteFile", "files"), ("TextLineDataset", "files")}
    assert found == {*expected, ("PyFunc", "python"), ("EagerPyFunc", "python")}
    read = [finding for finding in graph.findings if finding.op == "ReadFile"]
    assert [finding.count for finding in read] == [1]
    assert "_reads_" in read[0].function


def test_checksums_of_tensorflow_fit_strings_and_numbers(tmp_path: Path) -> None:
    values = [tf.zeros([3, 4]), tf.constant([["", "a" * 300], ["ü", "\0"]]), tf.constant(True), tf.constant("")]
    names = ["numbers", "strings", "flag", "empty"]
    prefix = str(tmp_path / "variables")
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * 4, tensors=values)
    index = checkpoint_index.read(tmp_path / "variables.index")
    assert {entry.name for entry in index.entries} == set(names)
    assert list(checkpoint_data.check(index)) == []
