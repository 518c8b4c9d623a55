"""Modules as feature columns."""

from rehub.tf1.feature_columns import ModuleColumn as DenseFeatureColumn
from rehub.tf1.feature_columns import image_embedding_column as image_embedding_column
from rehub.tf1.feature_columns import sparse_text_embedding_column as sparse_text_embedding_column
from rehub.tf1.feature_columns import text_embedding_column as text_embedding_column

__all__ = ["DenseFeatureColumn", "image_embedding_column", "sparse_text_embedding_column", "text_embedding_column"]
