"""Models that are read where they are."""

from rehub import configuration
from tensorflow_hub.resolver import HttpResolverBase, ModelLoadFormat


class HttpUncompressedFileResolver(HttpResolverBase):
    """Finds the folders that hubs name for models."""

    def is_supported(self, handle: str) -> bool:
        """Whether the handle is one of a web server, and models are to be read in place."""
        wanted = configuration.current().load_format == ModelLoadFormat.UNCOMPRESSED.value
        return wanted and self.is_http_protocol(handle)
