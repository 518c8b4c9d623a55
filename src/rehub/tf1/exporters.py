"""Exports of the modules in an Estimator's model, beside the exports of the model itself.

Estimator is not needed: whatever has the attributes and methods that are used here takes its place.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rehub.errors import PublishError
from rehub.runtime.remote import new_place
from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.module import Module

_COLLECTION = "rehub_modules_for_export"
_PREDICT = "infer"
"""The value of ``tf.estimator.ModeKeys.PREDICT``."""


def register_module_for_export(module: Module, export_name: str) -> None:
    """Lets `LatestModuleExporter` export a module; for use in a ``model_fn``.

    Args:
        module: The module.
        export_name: The folder of the module below that of an export; may have slashes.

    Raises:
        PublishError: If the name is taken in this graph, or is no path below a folder.
    """
    registered = _registered()
    if not export_name or Path(export_name).is_absolute() or ".." in Path(export_name).parts:
        raise PublishError(
            f"export_name is {export_name!r}, which names no folder below that of an export.",
            hint="Use a word, such as 'text_embedding'.",
        )
    if any(name == export_name for name, _ in registered):
        raise PublishError(
            f"There is already a module registered to be exported as {export_name!r}.", hint="Choose another name."
        )
    import_tensorflow().compat.v1.add_to_collection(_COLLECTION, (export_name, module))


def _registered() -> Sequence[tuple[str, Module]]:
    found: Sequence[tuple[str, Module]] = import_tensorflow().compat.v1.get_collection(_COLLECTION)
    return found


class LatestModuleExporter:
    """Exports the registered modules with the variables of the latest checkpoint, as ``LatestExporter`` does models.

    Pass it to ``tf.estimator.EvalSpec(exporters=…)``, or call `export`. The modules of an export are in
    ``<model_dir>/export/<name>/<timestamp>/<export_name>``. Where Estimator can be imported, an instance is a
    ``tf.estimator.Exporter``, too.

    Args:
        name: Of the exporter, and of the folder of its exports.
        serving_input_fn: Returns a ``tf.estimator.export.ServingInputReceiver``, or what has ``features``, as well. The
            model is built with these features, and is not run.
        exports_to_keep: How many of the latest exports stay; None for all.

    Raises:
        ValueError: If ``exports_to_keep`` is less than one.
    """

    def __new__(cls, *_: Any, **__: Any) -> LatestModuleExporter:
        """Makes an instance that Estimator takes for an exporter."""
        made: LatestModuleExporter = super().__new__(_as_exporter(cls))
        return made

    def __init__(self, name: str, serving_input_fn: Callable[[], Any], exports_to_keep: int | None = 5) -> None:
        if exports_to_keep is not None and exports_to_keep <= 0:
            raise ValueError(
                f"exports_to_keep is {exports_to_keep}; it must be a positive number, or None to keep all."
            )
        self._name = name
        self._serving_input_fn = serving_input_fn
        self._exports_to_keep = exports_to_keep

    @property
    def name(self) -> str:
        """The name of the exporter."""
        return self._name

    def export(
        self,
        estimator: Any,
        export_path: str | bytes | os.PathLike[str],
        checkpoint_path: str | None = None,
        eval_result: object = None,
        is_the_final_export: bool | None = None,
    ) -> str | None:
        """Exports all modules that the ``model_fn`` registers.

        Args:
            estimator: An Estimator. Needed are ``model_fn(features, labels, mode, config)`` and ``config``; without a
                ``checkpoint_path`` also ``latest_checkpoint()`` and ``model_dir``.
            export_path: The folder of the exports; what TensorFlow can open, such as ``gs://…``, will do.
            checkpoint_path: The prefix of the checkpoint; None for the latest.
            eval_result: Not used.
            is_the_final_export: Not used.

        Returns:
            The folder of this export; None, with a warning, if there are no modules.

        Raises:
            PublishError: If there is no checkpoint, it lacks variables of a module, or files cannot be written.
        """
        tf = import_tensorflow()
        checkpoint_path = checkpoint_path or estimator.latest_checkpoint()
        if not checkpoint_path:
            raise PublishError(
                f"there is no checkpoint in '{estimator.model_dir}'.",
                hint="Train the model before its modules are exported.",
            )
        with tf.Graph().as_default():
            tf.compat.v1.train.get_or_create_global_step()
            features = self._serving_input_fn().features
            estimator.model_fn(features=features, labels=None, mode=_PREDICT, config=estimator.config)
            modules = _registered()
            if not modules:
                warnings.warn(
                    f"the exporter {self._name!r} found no module to export; call hub.register_module_for_export in "
                    "the model_fn, for the mode PREDICT, too.",
                    stacklevel=2,
                )
                return None
            base = os.fsdecode(export_path)
            target = os.path.join(base, _next_timestamp(base))  # noqa: PTH118 - may be a URL
            with new_place(target) as folder, tf.compat.v1.Session() as session:
                _restore(session, [module for _, module in modules], checkpoint_path)
                for export_name, module in modules:
                    module.export(folder / export_name, session)
        self._remove_old(base)
        return target

    def _remove_old(self, base: str) -> None:
        tf = import_tensorflow()
        if self._exports_to_keep is not None:
            for timestamp in _timestamps(base)[: -self._exports_to_keep]:
                with contextlib.suppress(tf.errors.OpError):
                    tf.io.gfile.rmtree(os.path.join(base, str(timestamp)))  # noqa: PTH118 - may be a URL


def _restore(session: Any, modules: Sequence[Module], checkpoint_path: str) -> None:
    tf = import_tensorflow()
    variables = [variable for module in modules for variable in module.variables]
    if not variables:
        return
    try:
        tf.compat.v1.train.Saver(variables).restore(session, checkpoint_path)
    except (ValueError, tf.errors.OpError) as error:
        raise PublishError(
            f"the modules cannot be exported with the checkpoint '{checkpoint_path}': {error}",
            hint="Make the same modules, in the same scopes, in the modes TRAIN and PREDICT.",
        ) from error


def _next_timestamp(base: str) -> str:
    """Seconds since 1970, as for exports of Estimator; more where that is taken."""
    return str(max([int(time.time()), *(timestamp + 1 for timestamp in _timestamps(base))]))


def _timestamps(base: str) -> list[int]:
    """Those of the exports in a folder, the latest at the end."""
    gfile = import_tensorflow().io.gfile
    names = [name.rstrip("/") for name in gfile.listdir(base)] if gfile.isdir(base) else []
    return sorted(int(name) for name in names if name.isdecimal() and name.isascii())


def _as_exporter(cls: type[Any]) -> type[Any]:
    """A class that is an exporter of Estimator as well; where there is no Estimator, the class itself.

    Asked for when an exporter is made: Estimator takes seconds to import.
    """
    try:
        base = import_tensorflow().estimator.Exporter
    except (AttributeError, ImportError):
        return cls
    return cls if issubclass(cls, base) else type(cls.__name__, (cls, base), {"__doc__": cls.__doc__})
