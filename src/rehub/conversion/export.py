"""``rehub.export``: from a model in memory to a Reusable SavedModel, which others can call and fine-tune."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from rehub.conversion import export_arguments, export_source
from rehub.conversion.export_arguments import Default
from rehub.conversion.export_object import ReusableObject
from rehub.errors import ExportWarning, UsageError
from rehub.runtime.remote import new_place
from rehub.runtime.tf_version import import_tensorflow


def export(
    model: Any,
    path: str | os.PathLike[str],
    *,
    inputs: Any = None,
    arguments: Mapping[str, Default] | None = None,
    signatures: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model, or a piece of one, as a Reusable SavedModel of TensorFlow 2.

    What is written can be called, with ``training=True`` or ``False``, and fine-tuned: by `rehub.KerasLayer`, on Keras
    2 and 3, and on what ``tf.saved_model.load`` returns. It has the lists ``variables``, ``trainable_variables`` and
    ``regularization_losses``, and the vocabularies that the model uses. Statistics of batch normalization are averaged
    over the replicas of ``tf.distribute``. Optimizers and metrics are left out. The model itself stays as it is.

    Args:
        model: A model or layer of Keras 3 or Keras 2 that has its weights; or a ``tf.Module`` or another trackable
            object with a ``__call__(inputs)``, which may also take ``training``; its other methods that are
            ``tf.function`` are kept. To export a piece, make it a model: ``keras.Model(full.input,
            full.get_layer(...).output)``.
        path: A folder that does not exist yet, or an empty one; may be in a place that TensorFlow alone can write to.
        inputs: A ``tf.TensorSpec``, or a list or dict of these, for models that do not know it; those that are made of
            a ``keras.Input`` do.
        arguments: Hyperparameters that callers may set, ``loaded(x, training=True, dropout_rate=0.3)``, by the names
            that they get. Either ``"LAYER.ATTRIBUTE"``, such as ``"dropout*.rate"``, for attributes of the Keras layers
            that have such a name, with the present value as the default. Or a number or bool: the default of an
            argument of that name, which the model itself takes.
        signatures: More serving signatures, each a ``tf.function`` with an ``input_signature``, or a concrete function.
            Without one of that name, ``serving_default`` is ``model(inputs, training=False)``.

    Raises:
        PublishError: If the model has no weights yet, is of no kind that can be exported, or cannot be traced; if
            something is at ``path``, or it cannot be written. Nothing is left there.
        SignatureError: If ``inputs``, ``arguments`` or ``signatures`` do not fit the model.
        DependencyError: If there is no TensorFlow, or the model is one of Keras 3 on another backend.
        UsageError: If TensorFlow is not in eager mode.

    Warns:
        ExportWarning: If the optimizer regularizes, weights have constraints, or layers add losses that depend on the
            inputs: these are lost.
    """
    tf = import_tensorflow()
    if not tf.executing_eagerly():
        raise UsageError(
            "hub.export was called in graph mode.",
            hint="Call it outside of tf.Graph and tf.function, in a program without tf.disable_v2_behavior().",
        )
    source = export_source.describe(model)
    spec = export_source.input_spec(source, inputs)
    hyperparameters = export_arguments.describe(source, arguments or {})
    with new_place(path) as folder:
        obj = ReusableObject(source, spec, hyperparameters)
        obj.save(folder, signatures or {})
    for loss in (*source.losses_of_optimizer(), *source.constraints(), *obj.losses_of_calls):
        warnings.warn(f"{loss} Tell those who fine-tune the model.", ExportWarning, stacklevel=2)
