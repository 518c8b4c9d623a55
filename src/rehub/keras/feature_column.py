"""A feature column that applies a Keras layer: text becomes dense features in ``DenseFeatures`` of Keras 2."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from typing import Any

from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.feature_columns import one_text

_LAYER = "layer"

tf = import_tensorflow()
_DenseColumn: Any = tf.__internal__.feature_column.DenseColumn


@dataclasses.dataclass(frozen=True)
class TextEmbeddingColumnV2(_DenseColumn):  # type: ignore[misc]
    """See `text_embedding_column_v2`."""

    key: str
    module_path: str | os.PathLike[str]
    output_key: str | None = None
    trainable: bool = False

    @property
    def _is_v2_column(self) -> bool:
        return True

    @property
    def name(self) -> str:
        """The name of the column."""
        return f"{self.key}_hub_module_embedding"

    @property
    def parents(self) -> list[str]:
        """The keys of the input."""
        return [self.key]

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """One text in each example."""
        return {self.key: tf.io.FixedLenFeature([1], tf.string)}

    @functools.cached_property
    def variable_shape(self) -> Any:
        """The ``tf.TensorShape`` of the features of one example."""
        return _shape(self._layer())

    def create_state(self, state_manager: Any) -> None:
        """Loads the model, whose weights become weights of the layer that holds the column."""
        layer = self._layer()
        self.__dict__["variable_shape"] = _shape(layer)  # so that it is not loaded again for its shape
        state_manager.add_resource(self, _LAYER, layer)

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Returns the texts, as a vector."""
        return one_text(self.key, transformation_cache.get(self.key, state_manager))

    def get_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Returns the features, of the shape ``[batch, *variable_shape]``."""
        layer = state_manager.get_resource(self, _LAYER)
        return layer(transformation_cache.get(self, state_manager))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the column as plain values."""
        return {**dataclasses.asdict(self), "module_path": os.fspath(self.module_path)}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: object = None, columns_by_name: object = None
    ) -> TextEmbeddingColumnV2:
        """Makes the column again, of what `get_config` returned."""
        return cls(**config)

    def _layer(self) -> Any:
        from rehub.keras import Keras2Layer  # where Keras 2 is missing, columns can still be made

        return Keras2Layer(self.module_path, output_key=self.output_key, trainable=self.trainable)


def text_embedding_column_v2(
    key: str, module_path: str | os.PathLike[str], output_key: str | None = None, trainable: bool = False
) -> TextEmbeddingColumnV2:
    """Makes a column that embeds one text of each example, for ``DenseFeatures`` of Keras 2.

    Args:
        key: Of the feature: texts of shape ``[batch]`` or ``[batch, 1]``.
        module_path: The path or URL of a model that turns texts of shape ``[batch]`` into features of shape
            ``[batch, dim]``. Whatever `rehub.KerasLayer` takes will do.
        output_key: The output to use, of a model that returns a dict.
        trainable: Whether the model is trained.
    """
    return TextEmbeddingColumnV2(key, module_path, output_key, trainable)


def _shape(layer: Any) -> Any:
    return tf.TensorShape(layer.compute_output_shape((None,)))[1:]
