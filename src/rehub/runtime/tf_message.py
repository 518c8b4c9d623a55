"""What an error of TensorFlow says, without which of its inner functions says it."""

from __future__ import annotations

import re

_WHERE = re.compile(r"\{\{function_node [^}]*\}\}\s*|\s*\[Op:\w+\](\s*name:.*)?$|^Graph execution error:\s*")


def message_of(error: BaseException) -> str:
    """Returns the first line of what an error says."""
    text = _WHERE.sub("", str(getattr(error, "message", None) or error).strip()).strip()
    return text.splitlines()[0] if text else ""
