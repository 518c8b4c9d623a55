"""Text models as feature columns."""

from rehub.keras.feature_column import text_embedding_column_v2 as text_embedding_column_v2
