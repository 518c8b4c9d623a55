"""A resolver for a store of one's own, which only the alias can serve."""
import tempfile

import tensorflow_hub as hub
from tensorflow_hub import registry
from tensorflow_hub import resolver


class StoreResolver(resolver.HttpCompressedFileResolver):

    def is_supported(self, handle):
        return handle.startswith("store://")


registry.resolver.add_implementation(StoreResolver())
layer = hub.tf_utils.absolute_path("model")
checked = hub.__version__ >= "0.7"
