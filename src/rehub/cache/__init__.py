"""The cache of downloaded models."""
