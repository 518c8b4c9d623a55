"""What the reference of the site has to know about docstrings that are set when a module runs."""

from __future__ import annotations

from typing import Any

import griffe


class SharedDocstrings(griffe.Extension):
    """Gives the Keras layers the text that they share."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Copies it, once the package is read."""
        if pkg.path == "rehub":
            for version in ("keras2", "keras3"):
                pkg[f"keras.{version}.KerasLayer"].docstring = pkg["keras.layer.HubLayer"].docstring
