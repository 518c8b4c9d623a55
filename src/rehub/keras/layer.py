"""The part of `KerasLayer` that knows no Keras: what the layer accepts, what it calls, and its configuration.

`keras3` and `keras2` join it with the layer class of their Keras.
"""

from __future__ import annotations

import contextlib
import functools
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rehub.errors import NoConfigError, SignatureError, UsageError
from rehub.keras import batch_norm as batch_norms
from rehub.keras import distribution, embedding, shapes, target, trainability, weight_files
from rehub.keras.inputs import InputConverter, difference, explain_mismatch
from rehub.keras.options import Options
from rehub.runtime import endpoint, reusable, tf_private
from rehub.runtime.load import apply_changes, changed_values, loaded_part, origin_of, shared_by_parts, whole
from rehub.runtime.tf_version import import_tensorflow


class _Siblings:
    """The layers of one object."""

    def __init__(self) -> None:
        self.layers: weakref.WeakSet[HubLayer] = weakref.WeakSet()


_siblings: weakref.WeakValueDictionary[int, _Siblings] = weakref.WeakValueDictionary()


class HubLayer:
    """Wraps a SavedModel, a TF1 Hub model or any callable object as a Keras layer.

    The layer shares the variables of the loaded object: after training, ``tf.saved_model.save(layer.resolved_object,
    path)`` writes a model with the tuned values. A layer that is not trainable runs in inference mode, and is not
    recorded by gradient tapes that ask for no gradient through it.

    Inputs are what the model was traced for: a tensor, or a list or dict of tensors, dense or ragged. Python lists of
    numbers or strings become one tensor. Floating inputs are cast to the dtype of the traces.

    Args:
        handle: A path or a URL, see `rehub.resolve`; or an object: what `rehub.load` returned, a function of it, or
            anything that can be called and may have ``variables``, ``trainable_variables`` and
            ``regularization_losses``.
        trainable: Whether the layer fine-tunes the model's ``trainable_variables``, adds its regularization losses,
            and passes ``training=True`` on. To fine-tune some of them: patterns for their names, as for file names
            (``"block5/*"``, ``["*", "!*/bias"]``; what an ``!`` begins excludes), or a function of a variable.
            Regularization losses that depend on frozen variables alone are left out then.
        arguments: Further keyword arguments for every call, as the model's traces name them. JSON-serializable, if the
            layer is to be saved.
        tags: The tags of the graph to load, for models of TensorFlow 1 with several.
        signature: The serving signature to call, instead of the object itself. ``"default"`` for the TF1 Hub format.
        signature_outputs_as_dict: With a signature: whether the layer returns all outputs as a dict.
        output_key: The output to return, if the model returns a dict. May be left out if a signature has just one. Or
            the name of a tensor inside, as ``rehub inspect --endpoints`` lists them; then the layer has the variables
            that this depends on.
        output_shape: The shape of the output (or a nest of shapes) without batch size, where TensorFlow cannot tell.
        load_options: A ``tf.saved_model.LoadOptions``. A model of TensorFlow 1 is always read on this machine, and
            whole: options that ask for something else are refused.
        allow_signature_training: Whether a trainable layer may train the variables that a TF2 signature uses.
        embed_saved_model: Whether a ``.keras`` file, a configuration or a pickle holds the model itself, so that it
            opens where the handle is out of reach.
        batch_norm: What happens while the layer trains: ``"train"`` is the model's ``training=True``; ``"frozen"`` the
            same, but numbers that are not trained, such as moving statistics, keep their values; ``"inference"`` is
            the model's ``training=False``, without dropout, while weights are trained.
        **kwargs: ``name``, ``dtype``, ``input_shape`` and the like, for the Keras layer.

    Raises:
        SignatureError: If signature, output, tags or inputs do not fit the model; it lists those that do.
        DependencyError: If TensorFlow or Keras is missing, too old, or another one than this layer is for.
        UsageError: If it is called eagerly in the scope of a ``tf.distribute`` strategy with several replicas, or is
            trained on replicas and was made outside of that scope; or if ``handle`` is a function of a loaded model
            that nothing holds any longer.
        HubError: What `rehub.load` raises, if the model cannot be had.
    """

    _handle: Any
    _func: Any
    _is_hub_module_v1: bool
    trainable: bool
    compute_dtype: str

    def __init__(self, **kwargs: Any) -> None:
        """Starts the Keras layer underneath.

        The layer classes have `_construct` as their constructor, so a subclass that replaces `_setup_layer` reaches
        this by ``super(KerasLayer, self).__init__(trainable=…, name=…)``, and adds weights and losses by itself.
        """
        super().__init__(**self._keras_arguments(kwargs))
        self._on_start()

    def _construct(
        self,
        handle: Any,
        trainable: bool | str | Sequence[str] | Callable[[Any], bool] = False,
        arguments: Mapping[str, Any] | None = None,
        _sentinel: None = None,
        tags: Any = None,
        signature: str | None = None,
        signature_outputs_as_dict: bool | None = None,
        output_key: str | None = None,
        output_shape: Any = None,
        load_options: Any = None,
        *,
        allow_signature_training: bool = False,
        embed_saved_model: bool = False,
        batch_norm: batch_norms.BatchNorm = "train",
        **kwargs: Any,
    ) -> None:
        if _sentinel is not None:
            raise SignatureError(
                "KerasLayer takes at most three positional arguments: handle, trainable, arguments.",
                hint="Pass the others by name.",
            )
        import_tensorflow()
        if isinstance(handle, os.PathLike):
            handle = os.fspath(handle)
        self._handle = handle
        self._is_loaded_here = isinstance(handle, str)
        self._func = target.resolve_object(handle, tags, load_options, signature, trains=bool(trainable))
        self._is_hub_module_v1 = getattr(self._func, "_is_hub_module_v1", False)
        if self._is_hub_module_v1:
            signature = signature or "default"
            if not signature_outputs_as_dict:
                output_key = output_key or "default"
        self._callable = target.choose_callable(self._func, signature, self._name_for_humans())
        self._options = Options(
            arguments=dict(arguments or {}),
            tags=None if tags is None else (tags,) if isinstance(tags, str) else tuple(sorted(tags)),
            signature=signature,
            signature_outputs_as_dict=signature_outputs_as_dict,
            output_key=target.single_output(self._func, signature)
            if target.wants_single(signature, output_key, signature_outputs_as_dict)
            else output_key,
            output_shape=shapes.as_shapes(output_shape),
            load_options=load_options,
            allow_signature_training=allow_signature_training,
            embed_saved_model=embed_saved_model,
            batch_norm=batch_norm,
        )
        self._is_lifted = bool(reusable.lifted_calls(self._func))
        self._has_training_argument = self._is_lifted or (
            not signature and reusable.has_training_argument(self._callable)
        )
        batch_norms.check(batch_norm, self._has_training_argument, self._name_for_humans())
        self._traces = [f.structured_input_signature for f in self._call_functions()]
        self._convert_inputs = InputConverter(self.input_specs())
        self._endpoint = endpoint.find(self._func, self._callable, self._call_functions(), self._options.output_key)
        self._trainability = trainability.choose(trainable, *self._find_variables(), self._name_for_humans())
        self._setup_layer(self._trainability.is_on, **kwargs)
        self._siblings = _siblings.setdefault(id(shared_by_parts(self._func)), _Siblings())
        self._siblings.layers.add(self)

    def _setup_layer(self, trainable: bool = False, **kwargs: Any) -> None:
        """Starts the Keras layer, then hands it the variables and the losses of the loaded object."""
        HubLayer.__init__(self, trainable=trainable, **kwargs)
        for variable in self._trainability.chosen:
            self._add_existing_weight(variable, trainable=True)
        for variable in self._trainability.fixed:
            self._add_existing_weight(variable, trainable=False)
        is_partial = self._endpoint is not None or self._trainability.patterns is not None
        for loss in reusable.regularization_losses_of(self._func):
            if not is_partial or self._trainability.concerns(reusable.loss_variables(loss)):
                self._add_existing_loss(self._call_loss_if_trainable(loss))

    def _keras_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the Keras layer's own constructor."""
        raise NotImplementedError

    def _on_start(self) -> None:
        """Called when the Keras layer has begun, before it gets weights and losses."""

    def _add_existing_weight(self, weight: Any, trainable: bool | None = None) -> None:
        """Makes a variable of the loaded object a weight of this layer, without a copy."""
        raise NotImplementedError

    def _add_existing_loss(self, loss: Callable[[], Any]) -> None:
        """Makes a loss of the loaded object a loss of this layer that is counted once, however often it is called."""
        raise NotImplementedError

    def _call_loss_if_trainable(self, loss: Callable[[], Any]) -> Callable[[], Any]:
        """Returns a function that gives the loss while the layer is trainable, else zero."""
        tf = import_tensorflow()

        def value() -> Any:
            # The loss must be a free variable here: tf_keras cannot save a model whose losses have default arguments.
            return loss() if self.trainable else tf.constant(0.0)

        return value

    @property
    def resolved_object(self) -> Any:
        """The loaded object; after training, `tf.saved_model.save` writes it with the tuned values.

        What the layer itself does not use of the model is loaded when this is read first, on the same variables.
        """
        return whole(self._func)

    def _run(self, inputs: Any, training: Any) -> Any:
        """Calls the model: converts inputs, chooses the trace, unwraps the output.

        Args:
            inputs: What the user passed.
            training: The model's mode as bool or scalar bool tensor; only a trainable layer trains.
        """
        self._check_trainability()
        if self.trainable and (training if isinstance(training, (bool, int)) else training is not None):
            distribution.check_copies(self._raw_weights()[: len(self._trainability.chosen)], self._name_for_humans())
        inputs = self._convert_inputs(inputs)
        with self._recording(inputs):
            result = self._call_in_mode(inputs, training)
        return self._apply_output_shape_if_set(inputs, self._select_output(result))

    def _call_in_mode(self, inputs: Any, training: Any) -> Any:
        keywords = dict(self._options.arguments)
        positional: list[Any] = []
        if self._is_lifted:
            name = next((name for name in self._traces[0][1] if name not in keywords), "")
            positional.append({**keywords, **(inputs if isinstance(inputs, Mapping) else {name: inputs})})
            keywords = {}
        elif self._options.signature and isinstance(inputs, Mapping):
            keywords.update(inputs)
        elif self._options.signature and len(self._traces[0][1]) == 1:
            keywords[next(iter(self._traces[0][1]))] = inputs
        else:
            positional.append(inputs)
        if not self._has_training_argument:
            return self._invoke(positional, keywords)
        infer = functools.partial(self._invoke, positional, {**keywords, "training": False})
        train = functools.partial(self._invoke, positional, {**keywords, "training": True})
        if self._options.batch_norm == "frozen":
            train = functools.partial(batch_norms.call_keeping, self._trainability.others, train)
        if not self.trainable or self._options.batch_norm == "inference":
            return infer()
        if isinstance(training, (bool, int, type(None))):
            return train() if training else infer()
        tf = import_tensorflow()
        return tf.cond(tf.cast(training, tf.bool), train, infer)

    def _invoke(self, positional: list[Any], keywords: dict[str, Any]) -> Any:
        try:
            return (self._endpoint or self._callable)(*positional, **keywords)
        except (TypeError, ValueError) as error:
            if not self._traces or not tf_private.is_no_matching_trace(error):
                raise
            raise self._mismatch(positional, keywords) from error
        except import_tensorflow().errors.InvalidArgumentError as error:
            if tf_private.is_cross_replica_call(error):
                raise UsageError(
                    f"{self._name_for_humans()} was called eagerly in the scope of a tf.distribute strategy, where its "
                    "variables have one copy per replica.",
                    hint="Call it outside of strategy.scope(), by strategy.run(), or by fit() and predict() of a Keras "
                    "model.",
                ) from error
            # Signatures do not look at what they are called with; then an op somewhere inside complains.
            if self._options.signature and difference(keywords, self._traces[0][1]):
                raise self._mismatch(positional, keywords) from error
            raise

    def _mismatch(self, positional: list[Any], keywords: dict[str, Any]) -> SignatureError:
        message, hint = explain_mismatch(self._name_for_humans(), positional, keywords, self._traces)
        return SignatureError(
            message, hint=hint, handle=self._name_for_humans(), available=tuple(map(str, self._traces))
        )

    def _recording(self, inputs: Any) -> contextlib.AbstractContextManager[None]:
        """Hides a frozen layer from tapes that ask for no gradient through it.

        Tapes watch every trainable variable that is read, also those of a frozen model, and would keep all its
        activations for gradients that nobody asks for. A tape that watches an input, or that was told to watch one of
        the variables, still records. So does one around a layer of the same object that is trained.
        """
        tf = import_tensorflow()
        eager, may_record = tf.executing_eagerly(), tf_private.may_record()
        if (eager and not may_record) or any(layer.trainable for layer in self._siblings.layers):
            return contextlib.nullcontext()
        if may_record:
            tensors = [tensor for tensor in tf.nest.flatten(inputs, expand_composites=True) if tf.is_tensor(tensor)]
            handles = [variable.handle for variable in self._raw_weights() if hasattr(variable, "handle")]
            if tf_private.is_watched([*tensors, *handles]):
                return contextlib.nullcontext()
        return tf_private.stop_recording() if eager else tf_private.stop_recording_of_function()

    def sync(self) -> None:
        """Brings the values of the weights into `resolved_object`, for ``tf.saved_model.save``.

        Where Keras runs on TensorFlow they are always there; on JAX and PyTorch they live in Keras.
        """

    def _raw_weights(self) -> list[Any]:
        """The ``tf.Variable`` objects behind the layer's weights, trainable ones first."""
        raise NotImplementedError

    def _select_output(self, result: Any) -> Any:
        key = self._options.output_key
        if not key or self._endpoint is not None:
            return result
        if not isinstance(result, Mapping):
            raise SignatureError(
                f"output_key is {key!r}, but the output is no dict: {type(result).__name__}.",
                hint="Leave output_key out.",
            )
        if key not in result:
            raise SignatureError(
                f"KerasLayer output does not contain the output key {key} (available: {', '.join(map(str, result))}).",
                hint="Use one of those as output_key.",
                available=tuple(map(str, result)),
            )
        return result[key]

    def _apply_output_shape_if_set(self, inputs: Any, outputs: Any) -> Any:
        """Tells TensorFlow the shape that the user declared; the batch size is that of the inputs."""
        if self._options.output_shape is None:
            return outputs
        tf = import_tensorflow()
        batch = tf.nest.flatten(inputs)[0].shape[0:1]

        def declare(tensor: Any, shape: Any) -> Any:
            tensor.set_shape(batch.concatenate(shape))
            return tensor

        return tf.nest.map_structure(declare, outputs, self._options.output_shape)

    def _check_trainability(self) -> None:
        """Refuses to train what cannot be trained. Subclasses may allow more.

        Raises:
            SignatureError: If the layer is trainable and calls a signature, or a model of TensorFlow 1 that was not
                made an object of TensorFlow 2.
        """
        if not self.trainable:
            return
        target.check_lifted(self._func)
        if self._is_lifted:
            return
        if self._options.signature and not self._options.allow_signature_training:
            raise SignatureError(
                "Setting hub.KerasLayer.trainable = True is unsupported when calling a SavedModel signature.",
                hint="Pass allow_signature_training=True to train the variables that the signature uses; signatures "
                "know no training mode, so dropout and batch normalization run as in inference.",
            )

    def _find_variables(self) -> tuple[list[Any], list[Any]]:
        if self._options.signature and self._options.allow_signature_training and not self._is_lifted:
            found = reusable.split(reusable.function_variables(self._call_functions()))
        else:
            found = reusable.variables_of(self._func)
        if self._endpoint is None:
            return found
        used = set(map(id, self._endpoint.variables))
        trainable, others = ([variable for variable in each if id(variable) in used] for each in found)
        return trainable, others

    def _call_functions(self) -> list[Any]:
        """The concrete functions that a call may run."""
        if self._options.signature:
            return [self._callable] if hasattr(self._callable, "structured_input_signature") else []
        return reusable.concrete_functions(self._func)

    def _functions_in_mode(self, training: bool) -> list[Any]:
        """Those of them that run with this value of ``training``."""
        if self._is_lifted:
            concrete: Any = self._callable
            return [concrete.concrete_functions[training]]
        return reusable.functions_in_mode(self._callable, self._call_functions(), training)

    @property
    def is_hub_module(self) -> bool:
        """Whether the model came in the TF1 Hub format."""
        return self._is_hub_module_v1

    def input_specs(self) -> list[Any]:
        """What a call may take: the specs of the inputs of each trace."""
        if self._options.signature:
            specs = [keywords for _, keywords in self._traces]
            return specs + [next(iter(s.values())) for s in specs if len(s) == 1]
        return [positional[0] for positional, _ in self._traces if positional]

    def _specs_of(self, shape: Any) -> Any:
        """Makes the specs of inputs from their shapes, nested like the inputs; dtypes are those of the first trace."""
        nested = isinstance(shape, Mapping)
        likes = [spec for spec in self.input_specs() if isinstance(spec, Mapping) == nested]
        return self._nested_specs(shape, likes[0] if likes else None)

    def _nested_specs(self, shape: Any, like: Any) -> Any:
        tf = import_tensorflow()
        if isinstance(shape, Mapping):
            return {key: self._nested_specs(each, like[key] if like else None) for key, each in shape.items()}
        if not isinstance(shape, tf.TensorShape) and shape and isinstance(shape[0], (list, tuple, Mapping)):
            return [self._nested_specs(each, like[i] if like else None) for i, each in enumerate(shape)]
        return tf.TensorSpec(shape, getattr(like, "dtype", None) or self.compute_dtype)

    @functools.cached_property
    def _xla_compiles(self) -> bool:
        if self._is_lifted:
            lifted: Any = self._callable
            return bool(lifted.xla_can_compile())
        functions = self._call_functions()
        return bool(functions) and reusable.xla_can_compile(functions)

    def _name_for_humans(self) -> str:
        if self._is_loaded_here:
            return self._handle or "an embedded model"
        return type(self._handle).__name__

    def _handle_config(self) -> dict[str, Any]:
        """The part of the configuration that says where the model is.

        Raises:
            NoConfigError: If the layer was made from an object and does not embed it.
        """
        if self._options.embed_saved_model:
            handle, source = None, self._handle
            if self._is_loaded_here:
                handle, source = self._handle, origin_of(self._func)[0]
            return {"handle": handle, "embed_saved_model": True, "saved_model": embedding.pack(source)}
        if not self._is_loaded_here:
            raise NoConfigError(
                "Can only generate a valid config for `hub.KerasLayer(handle, ...)` that uses a string `handle`.\n\n"
                f"Got `type(handle)`: {type(self._handle)}.",
                hint="Make the layer from a path or URL, or pass embed_saved_model=True.",
            )
        return {"handle": self._handle}

    def _call_config(self) -> dict[str, Any]:
        """The part of the configuration that says how the model is called, and what of it is trained."""
        patterns = self._trainability.patterns
        return {**self._options.config(), **({} if patterns is None else {"trainable_filter": list(patterns)})}

    def get_config(self) -> dict[str, Any]:
        """The configuration that `from_config` takes, JSON-serializable.

        Raises:
            NoConfigError: If the layer was made from an object and does not embed it.
            SignatureError: If ``arguments`` cannot be written as JSON.
        """
        return {**self._keras_config(), **self._handle_config(), **self._call_config()}

    def _keras_config(self) -> dict[str, Any]:
        """The configuration of the Keras layer underneath."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Makes the layer that a configuration describes."""
        config = dict(config)
        patterns = config.pop("trainable_filter", None)
        if patterns is not None:
            layer = cls.from_config({**config, "trainable": patterns})
            layer.trainable = config["trainable"]
            return layer
        packed = config.pop("saved_model", None)
        if packed is None:
            return super().from_config(config)  # type: ignore[misc]
        folder = embedding.unpack(packed)
        layer = super().from_config({**config, "handle": str(folder)})  # type: ignore[misc]
        layer._handle = config["handle"]
        embedding.remove_with(shared_by_parts(layer._func), folder)
        return layer

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as the handle, plus the variables that differ from the published ones."""
        config = {**self._keras_config(), **self._call_config()}
        loaded = loaded_part(self._func)
        changes = changed_values(loaded) if self._is_loaded_here else {}
        if self._options.embed_saved_model:
            config |= self._handle_config()
        else:
            config["handle"] = origin_of(self._func)[0] if self._is_loaded_here else self._handle
        return _restore, (type(self), config, changes, loaded is not self._func)

    def save_own_variables(self, store: Any) -> None:
        """Writes all variables into a Keras weights file, also strings, which HDF5 cannot hold as they are."""
        for place, variable in enumerate(self._weights_of_model()):
            value = variable.numpy()
            store[str(place)] = weight_files.encode(value) if value.dtype == object else value

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote.

        Raises:
            FormatError: If the file holds another number of variables, or other shapes.
        """
        weight_files.load(store, self._weights_of_model(), self._name_for_humans())

    def _weights_of_model(self) -> list[Any]:
        """The same variables as `_raw_weights`, in an order that does not depend on which of them are trained."""
        places = {id(variable): place for place, variable in enumerate(self._trainability.variables)}
        return sorted(self._raw_weights(), key=lambda variable: places.get(id(variable), len(places)))


def _restore(cls: type[HubLayer], config: dict[str, Any], changes: dict[int, Any], is_whole: bool = True) -> Any:
    """Makes a layer again; ``is_whole`` tells whether the changes count all variables of the model."""
    layer = cls.from_config(config)
    if changes:
        apply_changes(layer.resolved_object if is_whole else layer._func, changes)
    return layer
