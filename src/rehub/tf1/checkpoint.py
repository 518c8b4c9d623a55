"""The variables of a module, in checkpoints of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    tf = import_tensorflow()
    try:
        reader = tf.train.load_checkpoint(prefix)
    except (ValueError, tf.errors.OpError) as error:
        raise FormatError(
            f"There is no checkpoint at '{prefix}': {error}",
            hint="Pass the prefix that its writer returned, such as 'folder/model.ckpt-100'.",
            path=str(prefix),
        ) from error
    names = {part.node: name_of(part.full_name) if name_of else part.full_name for part in parts}
    missing = sorted({name for name in names.values() if not reader.has_tensor(name)})
    if missing:
        known = ", ".join(sorted(reader.get_variable_to_shape_map())[:8])
        raise FormatError(
            f"The checkpoint '{prefix}' lacks {', '.join(missing[:8])}{' …' * (len(missing) > 8)}.",
            hint=f"name_transform_fn= turns names of the module into those of the checkpoint, such as {known}.",
            path=str(prefix),
        )
    found = {}
    for part in parts:
        value = reader.get_tensor(names[part.node])
        if part.offset is not None and value.shape == part.full_shape:
            sizes = zip(part.offset, part.shape.as_list(), strict=True)
            value = value[tuple(slice(begin, begin + size) for begin, size in sizes)]
        if not part.shape.is_compatible_with(value.shape):
            raise FormatError(
                f"'{names[part.node]}' has the shape {value.shape} in the checkpoint '{prefix}', and {part.shape} in "
                "the module.",
                hint="Pass a checkpoint of this module.",
                path=str(prefix),
            )
        found[part.node] = value
    return found
