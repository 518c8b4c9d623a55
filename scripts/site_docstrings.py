"""What the reference of the site has to know about docstrings: those that are shared, blocks of code, and errors."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Makes of the docstrings of the code what pages can show."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Removes the marks before blocks of code, which Markdown tells by their indentation; links errors."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^ *::\n", "", obj.docstring.value, flags=re.MULTILINE)
            if obj.is_class and obj.path.startswith("rehub.errors."):
                obj.docstring.value += f"\n\n[What its messages mean, and what to do][{obj.name.lower()}]"

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Gives the Keras layers the text that they share, once the package is read."""
        if pkg.path == "rehub":
            for version in ("keras2", "keras3"):
                pkg[f"keras.{version}.KerasLayer"].docstring = pkg["keras.layer.HubLayer"].docstring
