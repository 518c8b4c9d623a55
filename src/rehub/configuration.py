"""Settings: the only reader of environment variables and command-line flags.

They are read anew at every call, never at import, so that a program (or a notebook) can change them at any time.
Order: what ``with rehub.settings(...)`` says, then the ``TFHUB_*`` and ``REHUB_*`` variables, then absl flags, then
the default.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import os
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rehub.errors import HandleError

Progress = Callable[[str, int, "int | None"], None]
"""Called as ``progress(what, done_bytes, total_bytes)``; the total is None when the server does not tell it.
``what`` is the URL. The last call of a download has ``done_bytes == total_bytes``."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How rehub behaves, as one immutable value.

    Attributes:
        cache_dir: Folder of the model cache; None for the user's cache folder. ``TFHUB_CACHE_DIR``, flag
            ``--tfhub_cache_dir``.
        load_format: ``COMPRESSED``, ``UNCOMPRESSED`` or ``AUTO`` (the same as ``COMPRESSED``).
            ``TFHUB_MODEL_LOAD_FORMAT``, flag ``--tfhub_model_load_format``.
        show_progress: True for always, False for never, None for terminals and notebooks. ``REHUB_PROGRESS``, or any
            non-empty ``TFHUB_DOWNLOAD_PROGRESS`` for always.
        progress: A callback that replaces the progress bar.
        verify_tls: Whether certificates are checked. ``TFHUB_DISABLE_CERT_VALIDATION=true`` switches that off.
        ca_bundle: A PEM file of further certificate authorities. ``REHUB_CA_BUNDLE``.
        offline: Never open a connection; use what the cache holds. ``REHUB_OFFLINE``.
        timeout_s: Seconds without a byte after which a connection counts as broken. ``REHUB_TIMEOUT_S``.
        retries: How often a broken request is tried again. ``REHUB_RETRIES``.
        unversioned_ttl_s: Seconds for which the version behind an unversioned handle is remembered.
            ``REHUB_UNVERSIONED_TTL_S``.
        lock_timeout_s: Seconds to wait for another process that downloads the same model.
            ``REHUB_LOCK_TIMEOUT_S``.
    """

    cache_dir: str | None = None
    load_format: str = "AUTO"
    show_progress: bool | None = None
    progress: Progress | None = None
    verify_tls: bool = True
    ca_bundle: str | None = None
    offline: bool = False
    timeout_s: float = 30.0
    retries: int = 4
    unversioned_ttl_s: float = 86_400.0
    lock_timeout_s: float = 3_600.0

    def __post_init__(self) -> None:
        if self.load_format not in ("COMPRESSED", "UNCOMPRESSED", "AUTO"):
            raise HandleError(
                f"model load format {self.load_format!r} is unknown.",
                hint="Use COMPRESSED, UNCOMPRESSED or AUTO (TFHUB_MODEL_LOAD_FORMAT).",
            )
        for name in ("timeout_s", "retries", "unversioned_ttl_s", "lock_timeout_s"):
            if getattr(self, name) < 0:
                raise HandleError(f"setting {name} is {getattr(self, name)}.", hint="Use zero or more.")

    @property
    def cache_root(self) -> Path:
        """The folder of the model cache, whether it exists or not."""
        if self.cache_dir:
            return Path(self.cache_dir).expanduser()
        import platformdirs

        return Path(platformdirs.user_cache_dir("rehub", appauthor=False))

    @property
    def legacy_cache_roots(self) -> tuple[Path, ...]:
        """Folders where tensorflow_hub may have left models: the explicit cache folder, else its temp folder."""
        return (self.cache_root,) if self.cache_dir else (Path(tempfile.gettempdir()) / "tfhub_modules",)


_overrides: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar(
    "rehub_settings", default=types.MappingProxyType({})
)


@contextlib.contextmanager
def settings(**changes: Any) -> Iterator[Settings]:
    """Changes settings for the calls inside a ``with`` block, in this thread or task only.

    Args:
        **changes: Fields of `Settings`.

    Raises:
        TypeError: If a name is no field of `Settings`.
        HandleError: If a value is out of its range.
    """
    unknown = changes.keys() - {field.name for field in dataclasses.fields(Settings)}
    if unknown:
        raise TypeError(f"unknown settings: {', '.join(sorted(unknown))}")
    token = _overrides.set({**_overrides.get(), **changes})
    try:
        yield current()
    finally:
        _overrides.reset(token)


def current() -> Settings:
    """Returns the settings in force at this moment.

    Raises:
        HandleError: If a variable holds a value that its setting does not take.
    """
    base = _read(_flag_values(), tuple(map(os.environ.get, _VARIABLES)))
    changes = _overrides.get()
    return dataclasses.replace(base, **changes) if changes else base


def _boolean(text: str) -> bool:
    text = text.strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


_VARIABLES: Mapping[str, tuple[str, Callable[[str], Any], str]] = {
    "TFHUB_CACHE_DIR": ("cache_dir", str, "a folder"),
    "TFHUB_MODEL_LOAD_FORMAT": ("load_format", str, "COMPRESSED, UNCOMPRESSED or AUTO"),
    "TFHUB_DOWNLOAD_PROGRESS": ("show_progress", bool, "anything"),
    "TFHUB_DISABLE_CERT_VALIDATION": ("verify_tls", lambda text: not _boolean(text), "1 or 0"),
    "REHUB_CA_BUNDLE": ("ca_bundle", str, "a file"),
    "REHUB_PROGRESS": ("show_progress", _boolean, "1 or 0"),
    "REHUB_OFFLINE": ("offline", _boolean, "1 or 0"),
    "REHUB_TIMEOUT_S": ("timeout_s", float, "a number"),
    "REHUB_RETRIES": ("retries", int, "a number"),
    "REHUB_UNVERSIONED_TTL_S": ("unversioned_ttl_s", float, "a number"),
    "REHUB_LOCK_TIMEOUT_S": ("lock_timeout_s", float, "a number"),
}
"""Variable to its field of `Settings`, how its text is read, and what it may be set to. Of two variables for one field
the later one counts; an empty one is as good as none."""


@functools.lru_cache(maxsize=16)
def _read(flags: tuple[tuple[str, str], ...], texts: tuple[str | None, ...]) -> Settings:
    """Makes the settings of a process; every call of the library asks for them, and they hardly ever change."""
    values: dict[str, Any] = dict(flags)
    for (variable, (name, reader, wanted)), text in zip(_VARIABLES.items(), texts, strict=True):
        if text:
            try:
                values[name] = reader(text)
            except ValueError:
                raise HandleError(f"{variable} is {text!r}.", hint=f"Set it to {wanted}, or unset it.") from None
    return Settings(**values)


_FLAGS = {
    "cache_dir": ("tfhub_cache_dir", "Folder in which downloaded models are cached."),
    "load_format": ("tfhub_model_load_format", "COMPRESSED, UNCOMPRESSED or AUTO: how models are asked for."),
}


def define_flags() -> None:
    """Defines the absl flags, if the program uses absl and nobody defined them yet.

    They may be overridden, so that tensorflow_hub can still be imported into the same process.
    """
    absl_flags = sys.modules.get("absl.flags")
    if absl_flags is None:
        return
    for name, text in _FLAGS.values():
        if name not in absl_flags.FLAGS:
            absl_flags.DEFINE_string(name, None, text, allow_override=True)


def _flag_values() -> tuple[tuple[str, str], ...]:
    absl_flags = sys.modules.get("absl.flags")
    if absl_flags is None or not absl_flags.FLAGS.is_parsed():
        return ()
    flags = absl_flags.FLAGS
    return tuple(
        (setting, flags[name].value) for setting, (name, _) in _FLAGS.items() if name in flags and flags[name].value
    )
