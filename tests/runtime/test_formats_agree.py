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

from rehub.formats import checkpoint_index, dtype, schema
from rehub.model import model_info

DATA = Path(__file__).parent.parent / "data"


def models() -> list[Path]:
    rooms = ("saved_models", "tf1_hub")
    folders = [path.parent for room in rooms for path in sorted(DATA.glob(f"{room}/*/saved_model.pb*"))]
    guesslang = importlib.util.find_spec("guesslang")
    if guesslang is not None and guesslang.submodule_search_locations:
        folders.append(Path(guesslang.submodule_search_locations[0]) / "data/model")
    return folders


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
