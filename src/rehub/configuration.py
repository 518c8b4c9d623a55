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
import re
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rehub.errors import SettingError

Progress = Callable[[str, int, "int | None"], None]
"""Called as ``progress(what, done_bytes, total_bytes)``; the total is None when the server does not tell it.
``what`` is the URL. The last call of a download has ``done_bytes == total_bytes``."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})
_LOAD_FORMATS = ("COMPRESSED", "UNCOMPRESSED", "AUTO")
_OP_POLICIES = ("warn", "refuse", "allow")
_NO_LOGIN = "(a login does not belong there, but into 'rehub login HOST' or netrc)"
# A password may hold what no URL may, such as a slash.
_LOGIN = re.compile(r"(?<=://)(?:(?!\w+://).)*@", re.DOTALL)


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
        mirrors: Servers to ask in place of others, for the handles that begin with a URL: ``{"https://tfhub.dev":
            "https://HOST/FOLDER"}``, kept as pairs. Models keep their handles, also in the cache.
            ``REHUB_MIRRORS``, as ``URL=URL,URL=URL``.
        offline: Never open a connection; use what the cache holds. ``REHUB_OFFLINE``.
        timeout_s: Seconds without a byte after which a connection counts as broken. ``REHUB_TIMEOUT_S``.
        retries: How often a broken request is tried again. ``REHUB_RETRIES``.
        unversioned_ttl_s: Seconds for which the version behind an unversioned handle is remembered.
            ``REHUB_UNVERSIONED_TTL_S``.
        lock_timeout_s: Seconds to wait for another process that downloads the same model.
            ``REHUB_LOCK_TIMEOUT_S``.
        token: A token for the server ``token_host``. It is sent there only, and shown nowhere. ``REHUB_TOKEN``.
        token_host: ``HOST``, ``HOST:PORT`` or ``https://HOST``, for which the token is. ``REHUB_TOKEN_HOST``.
        credentials_file: File of tokens; None for the one in the user's folder of settings, to which ``rehub login``
            writes. ``REHUB_CREDENTIALS_FILE``.
        memo: Whether `rehub.load` gives the same object again for the same path, tags and options, as long as the
            process lives; whoever trains it trains it for all. ``REHUB_MEMO``.
        op_policy: What `rehub.load` does with a model that holds ops which touch files, the network, processes or
            Python: ``warn``, ``refuse`` or ``allow``. ``REHUB_OP_POLICY``.
    """

    cache_dir: str | None = None
    load_format: str = "AUTO"
    show_progress: bool | None = None
    progress: Progress | None = None
    verify_tls: bool = True
    ca_bundle: str | None = None
    mirrors: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
    offline: bool = False
    timeout_s: float = 30.0
    retries: int = 4
    unversioned_ttl_s: float = 86_400.0
    lock_timeout_s: float = 3_600.0
    token: str | None = dataclasses.field(default=None, repr=False)
    token_host: str | None = None
    credentials_file: str | None = None
    memo: bool = False
    op_policy: str = "warn"

    def __post_init__(self) -> None:
        for name in ("cache_dir", "ca_bundle", "credentials_file"):
            path = getattr(self, name)
            if isinstance(path, os.PathLike):
                object.__setattr__(self, name, os.fspath(path))
        if isinstance(self.mirrors, Mapping):
            object.__setattr__(self, "mirrors", tuple(self.mirrors.items()))
        self._check(
            "mirrors",
            _are_mirrors(self.mirrors),
            f'pairs of URLs, such as {{"https://tfhub.dev": "https://HOST"}} {_NO_LOGIN}',
        )
        self._check("load_format", self.load_format in _LOAD_FORMATS, f"one of {', '.join(_LOAD_FORMATS)}")
        self._check("op_policy", self.op_policy in _OP_POLICIES, f"one of {', '.join(_OP_POLICIES)}")
        for name in ("timeout_s", "unversioned_ttl_s", "lock_timeout_s"):
            self._check(name, _is_number(getattr(self, name), (int, float)), "a number, zero or more")
        self._check("retries", _is_number(self.retries, (int,)), "a whole number, zero or more")
        for name in ("verify_tls", "offline", "memo"):
            self._check(name, isinstance(getattr(self, name), bool), "True or False")
        for name in ("cache_dir", "ca_bundle", "token_host", "credentials_file"):
            self._check(name, isinstance(getattr(self, name), (str, type(None))), "a text or None")
        self._check("show_progress", self.show_progress in (True, False, None), "True, False or None")
        self._check("progress", self.progress is None or callable(self.progress), "a function or None")
        if not isinstance(self.token, (str, type(None))):  # whatever it is, it may be a secret
            raise SettingError("setting token is no text.", hint="Use a text or None.", setting="token")

    def _check(self, name: str, is_good: bool, wanted: str) -> None:
        if not is_good:
            shown = without_login(repr(getattr(self, name)))
            raise SettingError(f"setting {name} is {shown}.", hint=f"Use {wanted}.", setting=name)

    @property
    def cache_root(self) -> Path:
        """The folder of the model cache, whether it exists or not."""
        if self.cache_dir:
            return _expanded(self.cache_dir)
        import platformdirs

        return Path(platformdirs.user_cache_dir("rehub", appauthor=False))

    @property
    def credentials_path(self) -> Path:
        """The file of tokens, whether it exists or not."""
        if self.credentials_file:
            return _expanded(self.credentials_file)
        import platformdirs

        return Path(platformdirs.user_config_dir("rehub", appauthor=False)) / "credentials.json"

    @property
    def legacy_cache_roots(self) -> tuple[Path, ...]:
        """Folders where tensorflow_hub may have left models: the explicit cache folder, else its temp folder."""
        return (self.cache_root,) if self.cache_dir else (Path(tempfile.gettempdir()) / "tfhub_modules",)


def _is_number(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool) and value >= 0  # type: ignore[operator]


_overrides: contextvars.ContextVar[tuple[Settings | None, Mapping[str, Any]]] = contextvars.ContextVar(
    "rehub_settings", default=(None, types.MappingProxyType({}))
)
"""What stands in for variables and flags, if anything does, and changes to that."""


@contextlib.contextmanager
def settings(base: Settings | None = None, /, **changes: Any) -> Iterator[Settings]:
    """Changes settings for the calls inside a ``with`` block, in this thread or task only.

    Another thread or process begins without them: give it the object that the block gives, and begin a block with that
    object there. As everywhere in Python, a block in a generator holds for its caller too while the generator waits.

    Args:
        base: All settings, in place of those from variables, flags and blocks around this one; None for those.
        **changes: Fields of `Settings`.

    Raises:
        TypeError: If a name is no field of `Settings`.
        SettingError: If a value is out of its range.
    """
    unknown = changes.keys() - {field.name for field in dataclasses.fields(Settings)}
    if unknown:
        raise TypeError(f"unknown settings: {', '.join(sorted(unknown))}")
    around, changed = _overrides.get()
    token = _overrides.set((around, {**changed, **changes}) if base is None else (base, changes))
    try:
        yield current()
    finally:
        # A generator may be closed by another task than it began in, and nothing was changed there.
        with contextlib.suppress(ValueError):
            _overrides.reset(token)


def current() -> Settings:
    """Returns the settings in force at this moment.

    Raises:
        SettingError: If a variable holds a value that its setting does not take.
    """
    base, changes = _overrides.get()
    if base is None:
        base = _read(_flag_values(), tuple(map(os.environ.get, _VARIABLES)))
    return dataclasses.replace(base, **changes) if changes else base


def _expanded(path: str) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 - leaves the text alone when nobody has that home


def _boolean(text: str) -> bool:
    text = text.strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


def _count(text: str) -> int:
    return int(_amount(text, int))


def _amount(text: str, reader: Callable[[str], float] = float) -> float:
    value = reader(text)
    if value >= 0:
        return value
    raise ValueError


def _mirrors(text: str) -> tuple[tuple[str, ...], ...]:
    pairs = tuple(tuple(map(str.strip, part.split("=", 1))) for part in text.split(",") if part.strip())
    if _are_mirrors(pairs):
        return pairs
    raise ValueError


def _are_mirrors(values: object) -> bool:
    return isinstance(values, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and all(map(_is_plain_url, pair)) for pair in values
    )


def _is_plain_url(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        url = urlsplit(text)
        has_port = url.port != 0
    except ValueError:
        return False
    plain = url.scheme in ("http", "https") and "@" not in url.netloc and not url.query and not url.fragment
    return plain and has_port and bool(url.hostname)


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text in choices:
            return text
        raise ValueError

    return read


_VARIABLES: Mapping[str, tuple[str, Callable[[str], Any], str]] = {
    "TFHUB_CACHE_DIR": ("cache_dir", str, "a folder"),
    "TFHUB_MODEL_LOAD_FORMAT": ("load_format", _one_of(_LOAD_FORMATS), "COMPRESSED, UNCOMPRESSED or AUTO"),
    "TFHUB_DOWNLOAD_PROGRESS": ("show_progress", bool, "anything"),
    "TFHUB_DISABLE_CERT_VALIDATION": ("verify_tls", lambda text: not _boolean(text), "1 or 0"),
    "REHUB_CA_BUNDLE": ("ca_bundle", str, "a file"),
    "REHUB_PROGRESS": ("show_progress", _boolean, "1 or 0"),
    "REHUB_MIRRORS": ("mirrors", _mirrors, f"URL=URL[,URL=URL], such as https://tfhub.dev=https://HOST {_NO_LOGIN}"),
    "REHUB_OFFLINE": ("offline", _boolean, "1 or 0"),
    "REHUB_TIMEOUT_S": ("timeout_s", _amount, "a number, zero or more"),
    "REHUB_RETRIES": ("retries", _count, "a whole number, zero or more"),
    "REHUB_UNVERSIONED_TTL_S": ("unversioned_ttl_s", _amount, "a number, zero or more"),
    "REHUB_LOCK_TIMEOUT_S": ("lock_timeout_s", _amount, "a number, zero or more"),
    "REHUB_TOKEN": ("token", str, "a token"),
    "REHUB_TOKEN_HOST": ("token_host", str, "a host"),
    "REHUB_CREDENTIALS_FILE": ("credentials_file", str, "a file"),
    "REHUB_MEMO": ("memo", _boolean, "1 or 0"),
    "REHUB_OP_POLICY": ("op_policy", _one_of(_OP_POLICIES), "warn, refuse or allow"),
}
"""Variable to its field of `Settings`, how its text is read, and what it may be set to. Of two variables for one field
the later one counts; an empty one is as good as none."""


def without_login(text: str) -> str:
    """Returns a text as it may be shown: of the URLs in it without user and password."""
    return _LOGIN.sub("…@", text)


def variables() -> Mapping[str, str]:
    """Returns the name of each variable that is read, and the field of `Settings` that it sets."""
    return {variable: name for variable, (name, _, _) in _VARIABLES.items()}


@functools.lru_cache(maxsize=16)
def _read(flags: tuple[tuple[str, str], ...], texts: tuple[str | None, ...]) -> Settings:
    """Makes the settings of a process; every call of the library asks for them, and they hardly ever change."""
    values: dict[str, Any] = dict(flags)
    for (variable, (name, reader, wanted)), text in zip(_VARIABLES.items(), texts, strict=True):
        if text:
            try:
                values[name] = reader(text)
            except ValueError:
                raise SettingError(
                    f"{variable} is {without_login(text)!r}.",
                    hint=f"Set it to {wanted}, or unset it.",
                    setting=variable,
                ) from None
    return Settings(**values)


_FLAGS = {
    "cache_dir": "tfhub_cache_dir",
    "load_format": "tfhub_model_load_format",
}


def define_flags() -> None:
    """Defines the absl flags, if the program uses absl and nobody defined them yet.

    They may be overridden, so that tensorflow_hub can still be imported into the same process.
    """
    absl_flags = sys.modules.get("absl.flags")
    if absl_flags is None:
        return
    if "tfhub_cache_dir" not in absl_flags.FLAGS:
        absl_flags.DEFINE_string(
            "tfhub_cache_dir", None, "Folder in which downloaded models are cached.", allow_override=True
        )
    if "tfhub_model_load_format" not in absl_flags.FLAGS:
        absl_flags.DEFINE_enum(
            "tfhub_model_load_format", "AUTO", _LOAD_FORMATS, "How models are asked for.", allow_override=True
        )


def _flag_values() -> tuple[tuple[str, str], ...]:
    absl_flags = sys.modules.get("absl.flags")
    if absl_flags is None:
        return ()
    flags = absl_flags.FLAGS
    return tuple(
        (setting, flags[name].value) for setting, name in _FLAGS.items() if name in flags and flags[name].value
    )
