"""What changes in a process when a program imports tensorflow_hub and gets rehub."""

from __future__ import annotations

import importlib
import importlib.util
import os
import tempfile
from pathlib import Path

from rehub import configuration


def activate() -> None:
    """Sets the default cache folder that tensorflow_hub has, and defines its flags."""
    folder = temp_cache()
    if _may_be_used(folder):
        configuration.use_default_cache_dir(str(folder))
    if importlib.util.find_spec("absl") is not None:
        importlib.import_module("absl.flags")
        configuration.define_flags()


def temp_cache() -> Path:
    """Returns the folder that tensorflow_hub caches models in when nothing names one."""
    return Path(tempfile.gettempdir()) / "tfhub_modules"


def _may_be_used(folder: Path) -> bool:
    """Whether nobody else owns it: in a temp folder anyone can leave a model, and a model is a program."""
    try:
        return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    except FileNotFoundError:
        return True
