"""Feature columns that apply a module: text and images become dense features.

They serve ``tf.compat.v1.feature_column.input_layer``, ``DenseFeatures`` of Keras 2 in a graph, and Estimators.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from rehub.errors import NoConfigError, SignatureError, UsageError
from rehub.runtime import tf_private
from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.images import get_expected_image_size, get_num_image_channels
from rehub.tf1.module import Module
from rehub.tf1.module_spec import ModuleSpec, as_module_spec

_MODULE = "module"
_COMBINERS = ("mean", "sqrtn", "sum")

tf = import_tensorflow()


class ModuleColumn(*tf_private.dense_column_classes(), metaclass=abc.ABCMeta):  # type: ignore[misc]
    """What the columns have in common.

    A column makes its module where ``DenseFeatures`` makes its variables, or where ``input_layer`` is called.
    """

    key: str
    module_spec: ModuleSpec | str | os.PathLike[str]
    trainable: bool

    @functools.cached_property
    def spec(self) -> ModuleSpec:
        """The spec of the module."""
        return as_module_spec(self.module_spec)

    @property
    def name(self) -> str:
        """The name of the column, and of the scope of its variables."""
        return f"{self.key}_hub_module_embedding"

    @property
    def dtype(self) -> Any:
        """Of the features."""
        return self.spec.get_output_info_dict()["default"].dtype

    @property
    def parents(self) -> list[str]:
        """The keys of the input."""
        return [self.key]

    @property
    def variable_shape(self) -> Any:
        """The ``tf.TensorShape`` of the features of one example."""
        return self.spec.get_output_info_dict()["default"].get_shape()[1:]

    @property
    @abc.abstractmethod
    def parse_example_spec(self) -> dict[str, Any]:
        """How the input is parsed from ``tf.train.Example``."""

    @abc.abstractmethod
    def _embedded(self, module: Module, value: Any) -> Any:
        """Applies the module to the input of the column."""

    def create_state(self, state_manager: Any) -> None:
        """Makes the module, and tells the layer about its variables."""
        if tf.executing_eagerly():
            raise UsageError(
                f"the feature column {self.name!r} applies a hub.Module, which needs a graph.",
                hint="Use hub.text_embedding_column_v2 or hub.KerasLayer, or build the model inside of "
                "tf.Graph().as_default().",
            )
        module = Module(self.spec, trainable=self.trainable)
        state_manager.add_resource(self, _MODULE, module)
        for number, variable in enumerate(module.variables):
            state_manager.add_resource(self, f"variable_{number}", variable)

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Returns the input of the column."""
        return transformation_cache.get(self.key, state_manager)

    def get_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Returns the features, of the shape ``[batch, *variable_shape]``."""
        module = state_manager.get_resource(self, _MODULE)
        return self._embedded(module, transformation_cache.get(self, state_manager))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the column as plain values.

        Raises:
            NoConfigError: If it was made of a `ModuleSpec`.
        """
        if isinstance(self.module_spec, ModuleSpec):
            raise NoConfigError(
                f"the feature column {self.name!r} cannot be written down: its module is an object in memory.",
                hint="Export the module, and make the column of its path.",
            )
        config = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        path = config.pop("module_spec")
        return {**config, "module_spec_path": os.fspath(path)}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: object = None, columns_by_name: object = None
    ) -> ModuleColumn:
        """Makes the column again, of what `get_config` returned."""
        arguments = dict(config)
        return cls(module_spec=arguments.pop("module_spec_path"), **arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the spec that is kept: Estimators copy their parameters, and others pickle them.
        return type(self), tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    # What follows is the same by the names that input_layer asks for.

    @property
    def _is_v2_column(self) -> bool:
        return True

    @property
    def _variable_shape(self) -> Any:
        return self.variable_shape

    @property
    def _parse_example_spec(self) -> dict[str, Any]:
        return self.parse_example_spec

    def _transform_feature(self, inputs: Any) -> Any:
        return inputs.get(self.key)

    def _get_dense_tensor(
        self, inputs: Any, weight_collections: Sequence[str] | None = None, trainable: bool | None = None
    ) -> Any:
        module = Module(self.spec, trainable=self.trainable and trainable is not False)
        for collection in weight_collections or ():
            known = {id(variable) for variable in tf.compat.v1.get_collection(collection)}
            for variable in module.variables:
                if id(variable) not in known:
                    tf.compat.v1.add_to_collection(collection, variable)
        return self._embedded(module, inputs.get(self))


@dataclasses.dataclass(frozen=True)
class TextEmbeddingColumn(ModuleColumn):
    """See `text_embedding_column`."""

    key: str
    module_spec: ModuleSpec | str | os.PathLike[str]
    trainable: bool = False

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """One text in each example."""
        return {self.key: tf.io.FixedLenFeature([1], tf.string)}

    def _embedded(self, module: Module, value: Any) -> Any:
        return module(one_text(self.key, value))


@dataclasses.dataclass(frozen=True)
class SparseTextEmbeddingColumn(ModuleColumn):
    """See `sparse_text_embedding_column`."""

    key: str
    module_spec: ModuleSpec | str | os.PathLike[str]
    combiner: str
    default_value: str | None
    trainable: bool = False

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """Any number of texts in each example."""
        return {self.key: tf.io.VarLenFeature(tf.string)}

    def _embedded(self, module: Module, value: Any) -> Any:
        texts = tf.sparse.from_dense(value) if isinstance(value, tf.Tensor) else value
        num_examples = texts.dense_shape[0]
        if self.default_value is not None:
            texts, _ = tf.sparse.fill_empty_rows(texts, self.default_value)
        combine = {
            "mean": tf.math.unsorted_segment_mean,
            "sqrtn": tf.math.unsorted_segment_sqrt_n,
            "sum": tf.math.unsorted_segment_sum,
        }[self.combiner]
        return combine(module(texts.values), texts.indices[:, 0], num_examples)


@dataclasses.dataclass(frozen=True)
class ImageEmbeddingColumn(ModuleColumn):
    """See `image_embedding_column`."""

    key: str
    module_spec: ModuleSpec | str | os.PathLike[str]
    image_size: tuple[int, int] | None = None

    trainable = False

    def __post_init__(self) -> None:
        if self.image_size is not None:
            height, width = self.image_size
            object.__setattr__(self, "image_size", (height, width))  # also of a list, as in JSON

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """One image in each example."""
        height, width = self.image_size or get_expected_image_size(self.spec)
        shape = [height, width, get_num_image_channels(self.spec)]
        return {self.key: tf.io.FixedLenFeature(shape, tf.float32)}

    def _embedded(self, module: Module, value: Any) -> Any:
        return module({"images": value})


def text_embedding_column(
    key: str, module_spec: ModuleSpec | str | os.PathLike[str], trainable: bool = False
) -> TextEmbeddingColumn:
    """Makes a column that embeds one text of each example.

    Args:
        key: Of the feature: texts of shape ``[batch]`` or ``[batch, 1]``.
        module_spec: A module in TF1 Hub format, or its path or URL. Its signature ``default`` turns texts of shape
            ``[batch]`` into features of shape ``[batch, dim]``.
        trainable: Whether the module is trained with the model.

    Raises:
        SignatureError: If the module has no such signature.
    """
    column = TextEmbeddingColumn(key, module_spec, trainable)
    _check_text(column)
    return column


def sparse_text_embedding_column(
    key: str,
    module_spec: ModuleSpec | str | os.PathLike[str],
    combiner: str,
    default_value: str | None,
    trainable: bool = False,
) -> SparseTextEmbeddingColumn:
    """Makes a column that embeds each text of an example, and combines the results.

    Args:
        key: Of the feature: a ``tf.SparseTensor`` of texts, of shape ``[batch, any]``.
        module_spec: As for `text_embedding_column`.
        combiner: ``mean``, ``sqrtn`` or ``sum``.
        default_value: The text of an example that has none; None for a result of zeros.
        trainable: Whether the module is trained with the model.

    Raises:
        SignatureError: If the module has no such signature.
        ValueError: If there is no such combiner.
    """
    if combiner not in _COMBINERS:
        raise ValueError(f"combiner is {combiner!r}; choose one of {', '.join(_COMBINERS)}.")
    column = SparseTextEmbeddingColumn(key, module_spec, combiner, default_value, trainable)
    _check_text(column)
    return column


def image_embedding_column(
    key: str, module_spec: ModuleSpec | str | os.PathLike[str], image_size: tuple[int, int] | None = None
) -> ImageEmbeddingColumn:
    """Makes a column that turns an image into features. The module is not trained.

    Args:
        key: Of the feature: images of shape ``[batch, height, width, channels]``.
        module_spec: A module in TF1 Hub format, or its path or URL. Its signature ``default`` turns the input
            ``images`` into features of shape ``[batch, num_features]``.
        image_size: Height and width of the images; None for those that `get_expected_image_size` tells.

    Raises:
        SignatureError: If the module has no such signature.
    """
    column = ImageEmbeddingColumn(key, module_spec, image_size)
    inputs = column.spec.get_input_info_dict()
    image = inputs.get("images")
    fits = image is not None and _is_dense(image, tf.float32, [None] * 4)
    _check(column, fits and len(inputs) == 1, "a batch of images: one input 'images', float32[?, ?, ?, ?]")
    return column


def one_text(key: str, value: Any) -> Any:
    """Returns texts of shape ``[batch]`` or ``[batch, 1]`` as a vector.

    Raises:
        SignatureError: If they have another shape.
    """
    if value.dtype != tf.string or not any(value.shape.is_compatible_with(shape) for shape in ([None], [None, 1])):
        raise SignatureError(
            f"the feature {key!r} is {value.dtype.name} of shape {value.shape}, not one text in each example.",
            hint="Use hub.sparse_text_embedding_column for several texts.",
        )
    return tf.reshape(value, [-1])


def _check_text(column: TextEmbeddingColumn | SparseTextEmbeddingColumn) -> None:
    inputs = list(column.spec.get_input_info_dict().values())
    fits = len(inputs) == 1 and _is_dense(inputs[0], tf.string, [None])
    _check(column, fits, "a batch of texts: one input, string[?]")


def _check(column: ModuleColumn, fits: bool, expected: str) -> None:
    output = column.spec.get_output_info_dict().get("default")
    if not fits or output is None or not _is_embedding(output):
        inputs = ", ".join(f"{name!r} {info}" for name, info in column.spec.get_input_info_dict().items())
        raise SignatureError(
            f"the module of the feature column {column.name!r} does not embed {expected}, and an output 'default' of "
            f"known size for each example. Its signature 'default' takes {inputs or 'nothing'} and returns {output}.",
            hint="Choose a module for such features.",
        )


def _is_dense(info: Any, dtype: Any, shape: list[int | None]) -> bool:
    return (
        isinstance(info.type_spec, tf.TensorSpec) and info.dtype == dtype and info.get_shape().is_compatible_with(shape)
    )


def _is_embedding(info: Any) -> bool:
    shape = info.get_shape()
    return isinstance(info.type_spec, tf.TensorSpec) and (shape.rank or 0) > 1 and shape[1:].is_fully_defined()
