"""The version that programs compare with."""

__version__ = "0.16.1"
