"""Models that come as archives."""

from tensorflow_hub.resolver import HttpResolverBase, RehubResolver

LOCK_FILE_TIMEOUT_SEC = 600


class GcsCompressedFileResolver(RehubResolver):
    """Finds archives in buckets."""

    def is_supported(self, handle: str) -> bool:
        """Whether the handle is one of an archive in Google Cloud Storage."""
        return handle.startswith("gs://") and handle.endswith((".tar", ".tar.gz", ".tgz"))


class HttpCompressedFileResolver(HttpResolverBase):
    """Finds models on hubs, and archives on web servers."""
