"""Registers the resolvers that are there from the start."""

from tensorflow_hub import compressed_module_resolver, registry, resolver, uncompressed_module_resolver

registry._begin_with(
    resolver.PathResolver(),
    uncompressed_module_resolver.HttpUncompressedFileResolver(),
    compressed_module_resolver.GcsCompressedFileResolver(),
    compressed_module_resolver.HttpCompressedFileResolver(),
)
