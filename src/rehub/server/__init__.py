"""A hub that serves models from a folder."""
