"""``tf.saved_model.LoadOptions`` and the machines of a cluster: which of them reads a model's files."""

from __future__ import annotations

from typing import Any

from rehub.runtime.tf_version import import_tensorflow


def read_here(options: Any) -> Any:
    """Lets this machine read a model, where the strategy in force keeps variables on others.

    TensorFlow lets the machine that keeps a variable read its value from the files. TPUs and parameter servers do not
    see the disk of this machine; a cache folder in a bucket they may see, and need no longer see.

    Args:
        options: A ``tf.saved_model.LoadOptions`` or None.

    Returns:
        The same, unless the strategy is a ``TPUStrategy`` or a ``ParameterServerStrategy`` and the options say nothing
        about ``experimental_io_device``.
    """
    tf = import_tensorflow()
    if not tf.distribute.has_strategy() or getattr(options, "experimental_io_device", None):
        return options
    elsewhere = (
        tf.distribute.TPUStrategy,
        tf.distribute.experimental.TPUStrategy,
        tf.distribute.ParameterServerStrategy,
    )
    if not isinstance(tf.distribute.get_strategy(), elsewhere):
        return options
    return changed(options or tf.saved_model.LoadOptions(), experimental_io_device=this_machine())


def is_here(device: str | None) -> bool:
    """Whether a device, as options name it, is of this machine; None is."""
    tf = import_tensorflow()
    spec, here = (tf.DeviceSpec.from_string(each) for each in (device or "", this_machine()))
    return spec.job in (None, "localhost", here.job) and spec.task in (None, here.task or 0)


def this_machine() -> str:
    """The name that this machine has in a cluster; ``/job:localhost`` as long as it has joined none by name.

    The coordinator of a ``ParameterServerStrategy`` is ``/job:chief/task:0``. The number belongs to it: TensorFlow takes
    what a name leaves out from the device of the variable, and would look for a chief 1 to read for the server 1.
    """
    tf = import_tensorflow()
    if not tf.compat.v1.executing_eagerly_outside_functions():
        return "/job:localhost"
    with tf.init_scope(), tf.device(None):
        spec = tf.DeviceSpec.from_string(tf.constant(0).device)
    return "/job:localhost" if spec.job == "localhost" else f"/job:{spec.job}/task:{spec.task}"


def changed(options: Any, **changes: Any) -> Any:
    """Returns other options with some values changed."""
    kind = type(options)
    return kind(**{**{name: getattr(options, name) for name in kind.__slots__}, **changes})
