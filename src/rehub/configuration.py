"""Settings: the only reader of environment variables and command-line flags.

They are read anew at every call, never at import, so that a program (or a notebook) can change them at any time.
Order: what ``with rehub.settings(...)`` says, then the ``TFHUB_*`` and ``REHUB_*`` variables, then absl flags, then
the default.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
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
    values: dict[str, Any] = {}
    values.update(_from_flags())
    values.update(_from_environment(os.environ))
    values.update(_overrides.get())
    return Settings(**values)


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if env.get("TFHUB_CACHE_DIR"):
        values["cache_dir"] = env["TFHUB_CACHE_DIR"]
    if env.get("TFHUB_MODEL_LOAD_FORMAT"):
        values["load_format"] = env["TFHUB_MODEL_LOAD_FORMAT"]
    if env.get("TFHUB_DOWNLOAD_PROGRESS"):
        values["show_progress"] = True
    if _flag(env, "TFHUB_DISABLE_CERT_VALIDATION"):
        values["verify_tls"] = False
    if env.get("REHUB_CA_BUNDLE"):
        values["ca_bundle"] = env["REHUB_CA_BUNDLE"]
    if env.get("REHUB_PROGRESS"):
        values["show_progress"] = _flag(env, "REHUB_PROGRESS")
    values["offline"] = _flag(env, "REHUB_OFFLINE")
    for name, kind in (
        ("timeout_s", float),
        ("retries", int),
        ("unversioned_ttl_s", float),
        ("lock_timeout_s", float),
    ):
        text = env.get(f"REHUB_{name.upper()}")
        if text:
            try:
                values[name] = kind(text)
            except ValueError:
                raise HandleError(
                    f"REHUB_{name.upper()} is {text!r}.", hint="Set it to a number, or unset it."
                ) from None
    return values


def _flag(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "").strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise HandleError(f"{name} is {env[name]!r}.", hint="Set it to 1 or 0, or unset it.")


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


def _from_flags() -> dict[str, Any]:
    absl_flags = sys.modules.get("absl.flags")
    if absl_flags is None or not absl_flags.FLAGS.is_parsed():
        return {}
    flags = absl_flags.FLAGS
    return {setting: flags[name].value for setting, (name, _) in _FLAGS.items() if name in flags and flags[name].value}
