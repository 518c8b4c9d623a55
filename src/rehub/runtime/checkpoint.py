"""The variables of a TF1 graph, in checkpoints of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rehub.errors import FormatError
from rehub.runtime.tf1_graph import VariablePart
from rehub.runtime.tf_version import import_tensorflow


def slice_text(part: VariablePart) -> str:
    """Says which part of a tensor in a checkpoint a variable is; empty for all of it.

    Source: TensorFlow's ``TensorSlice::Parse``: the sizes of the whole tensor, then begin and length on each axis.
    """
    if part.offset is None:
        return ""
    spans = (f"{begin},{length}" for begin, length in zip(part.offset, part.shape.as_list(), strict=True))
    return " ".join([*map(str, part.full_shape), ":".join(spans)])


def write(prefix: str, parts: Sequence[VariablePart], values: Sequence[Any]) -> None:
    """Writes a checkpoint; no files when there are no variables.

    Args:
        prefix: What the names of its files begin with.
        parts: The variables; each part of a partitioned one becomes a slice.
        values: An array for each.
    """
    tf = import_tensorflow()
    if not parts:
        return
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        feeds = [tf.compat.v1.placeholder(tf.as_dtype(part.dtype)) for part in parts]
        save = tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=[part.full_name for part in parts],
            shape_and_slices=[slice_text(part) for part in parts],
            tensors=feeds,
        )
        session.run(save, dict(zip(feeds, values, strict=True)))


def read(prefix: str, parts: Sequence[VariablePart], name_of: Callable[[str], str] | None = None) -> dict[str, Any]:
    """Reads the values of variables from a checkpoint.

    Args:
        prefix: What the names of its files begin with, or the folder of a ``checkpoint`` file that tells.
        parts: The variables.
        name_of: Turns the name of a variable into its name in the checkpoint.

    Returns:
        An array for each, by its node.

    Raises:
        FormatError: If there is no checkpoint, or it lacks a variable, or holds one of another shape.
    """
    names = {part.node: name_of(part.full_name) if name_of else part.full_name for part in parts}
    reader = check(prefix, parts, names)
    found = {}
    for part in parts:
        value = reader.get_tensor(names[part.node])
        if part.offset is not None:
            sizes = zip(part.offset, part.shape.as_list(), strict=True)
            value = value[tuple(slice(begin, begin + size) for begin, size in sizes)]
        found[part.node] = value
    return found


def check(prefix: str, parts: Sequence[VariablePart], names: Mapping[str, str] | None = None) -> Any:
    """Opens a checkpoint that is to hold some variables, and returns TensorFlow's reader of it.

    Args:
        prefix: As for `read`.
        parts: The variables.
        names: The name of each in the checkpoint, by node; None for that in the module.

    Raises:
        FormatError: If there is no checkpoint, or it lacks a variable, or holds one of another shape.
    """
    tf = import_tensorflow()
    try:
        reader = tf.train.load_checkpoint(prefix)
    except (ValueError, tf.errors.OpError) as error:
        raise FormatError(
            f"There is no checkpoint at '{prefix}': {error}",
            hint="Pass the prefix that its writer returned, such as 'folder/model.ckpt-100'.",
            path=str(prefix),
        ) from error
    shapes = reader.get_variable_to_shape_map()
    names = names or {part.node: part.full_name for part in parts}
    missing = sorted({name for name in names.values() if name not in shapes})
    if missing:
        raise FormatError(
            f"The checkpoint '{prefix}' lacks {', '.join(missing[:8])}{' …' * (len(missing) > 8)}.",
            hint="Pass a checkpoint of this module; name_transform_fn= turns names of the module into those of the "
            f"checkpoint, such as {', '.join(sorted(shapes)[:8])}.",
            path=str(prefix),
        )
    for part in parts:
        have = shapes[names[part.node]]
        want = part.shape if part.offset is None else tf.TensorShape(part.full_shape)
        if not want.is_compatible_with(have):
            raise FormatError(
                f"'{names[part.node]}' has the shape {tuple(have)} in the checkpoint '{prefix}', and {want} in the "
                "module.",
                hint="Pass a checkpoint of this module.",
                path=str(prefix),
            )
    return reader
