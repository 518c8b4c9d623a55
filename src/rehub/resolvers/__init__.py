"""From a handle to a folder."""
