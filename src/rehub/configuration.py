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

import platformdirs

from rehub.errors import SettingError

Progress = Callable[[str, int, "int | None"], None]
"""Called as ``progress(what, done_bytes, total_bytes)``; the total is None when the server does not tell it.
``what`` is the URL. The last call of a download has ``done_bytes == total_bytes``."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})
_LOAD_FORMATS = ("COMPRESSED", "UNCOMPRESSED", "AUTO")
_OP_POLICIES = ("warn", "refuse", "allow")
_READONLY_CACHES = ("error", "temporary")
_MOST_CONNECTIONS = 64
_NAMES = "names of ops, URLs such as https://HOST/PUBLISHER, and folders such as /models"
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
        mirror: A server to ask in place of all others, except of this machine and of those with an entry in
            ``mirrors``: for ``https://HOST/PATH``, ``https://MIRROR/HOST/PATH``. ``REHUB_MIRROR``.
        offline: Never open a connection; use what the cache holds. ``REHUB_OFFLINE``.
        timeout_s: Seconds without a byte after which a connection counts as broken. ``REHUB_TIMEOUT_S``.
        min_bytes_per_s: Bytes per second that a connection has to bring over ``timeout_s``, or it counts as broken.
            ``REHUB_MIN_BYTES_PER_S``.
        retries: How often a broken request is tried again. ``REHUB_RETRIES``.
        connections: How many connections a download may use at once, 64 at most. ``REHUB_CONNECTIONS``.
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
        op_policy_allow: What ``op_policy`` lets pass: ops (``ReadFile``), and models by the beginning of their URL
            (``https://HOST/PUBLISHER``) or the folder they are in (``/models``). ``REHUB_OP_POLICY_ALLOW``, with
            commas.
        lockfile: A file of ``rehub lock``: of remote models only those that it names, as it names them, are used.
            ``REHUB_LOCKFILE``.
        readonly_cache: What happens when a model has to be downloaded and the cache folder may not be written:
            ``error``, or ``temporary`` for a folder that goes with this process. ``REHUB_READONLY_CACHE``.
    """

    cache_dir: str | None = None
    load_format: str = "AUTO"
    show_progress: bool | None = None
    progress: Progress | None = None
    verify_tls: bool = True
    ca_bundle: str | None = None
    mirrors: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
    mirror: str | None = None
    offline: bool = False
    timeout_s: float = 30.0
    min_bytes_per_s: float = 1_000.0
    retries: int = 4
    connections: int = 4
    unversioned_ttl_s: float = 86_400.0
    lock_timeout_s: float = 3_600.0
    token: str | None = dataclasses.field(default=None, repr=False)
    token_host: str | None = None
    credentials_file: str | None = None
    memo: bool = False
    op_policy: str = "warn"
    op_policy_allow: Sequence[str] = ()
    lockfile: str | None = None
    readonly_cache: str = "error"

    def __post_init__(self) -> None:
        for name in ("cache_dir", "ca_bundle", "credentials_file", "lockfile"):
            path = getattr(self, name)
            if isinstance(path, os.PathLike):
                object.__setattr__(self, name, os.fspath(path))
        if isinstance(self.mirrors, Mapping):
            object.__setattr__(self, "mirrors", tuple(self.mirrors.items()))
        if isinstance(self.op_policy_allow, list):
            object.__setattr__(self, "op_policy_allow", tuple(self.op_policy_allow))
        self._check(
            "mirrors",
            _are_mirrors(self.mirrors),
            f'pairs of URLs, such as {{"https://tfhub.dev": "https://HOST"}} {_NO_LOGIN}',
        )
        self._check("load_format", self.load_format in _LOAD_FORMATS, f"one of {', '.join(_LOAD_FORMATS)}")
        self._check("mirror", self.mirror is None or _is_plain_url(self.mirror), f"a URL or None {_NO_LOGIN}")
        self._check("op_policy", self.op_policy in _OP_POLICIES, f"one of {', '.join(_OP_POLICIES)}")
        self._check("op_policy_allow", _are_names(self.op_policy_allow), f"a tuple of {_NAMES}")
        self._check("readonly_cache", self.readonly_cache in _READONLY_CACHES, f"one of {', '.join(_READONLY_CACHES)}")
        for name in ("timeout_s", "min_bytes_per_s", "unversioned_ttl_s", "lock_timeout_s"):
            self._check(name, _is_number(getattr(self, name), (int, float)), "a number, zero or more")
        self._check("retries", _is_number(self.retries, (int,)), "a whole number, zero or more")
        some = _is_number(self.connections, (int,)) and 0 < self.connections <= _MOST_CONNECTIONS
        self._check("connections", some, f"a whole number from 1 to {_MOST_CONNECTIONS}")
        for name in ("verify_tls", "offline", "memo"):
            self._check(name, isinstance(getattr(self, name), bool), "True or False")
        for name in ("cache_dir", "ca_bundle", "token_host", "credentials_file", "lockfile"):
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
        """The folder of the model cache, whether it exists or not; the user's own where ``remote_cache`` is set."""
        if self.cache_dir and self.remote_cache is None:
            return _expanded(self.cache_dir)
        return Path(platformdirs.user_cache_dir("rehub", appauthor=False))

    @property
    def remote_cache(self) -> str | None:
        """The URL of a cache folder that is not on this machine, such as ``gs://BUCKET/FOLDER``; else None."""
        return self.cache_dir.rstrip("/") if self.cache_dir and "://" in self.cache_dir else None

    @property
    def credentials_path(self) -> Path:
        """The file of tokens, whether it exists or not."""
        if self.credentials_file:
            return _expanded(self.credentials_file)
        return Path(platformdirs.user_config_dir("rehub", appauthor=False)) / "credentials.json"

    @property
    def lockfile_path(self) -> str | None:
        """The lock file, whether it exists or not; None if none is set. A string, for it is on the way of every hit."""
        return os.path.expanduser(self.lockfile) if self.lockfile else None  # noqa: PTH111

    @property
    def legacy_cache_roots(self) -> tuple[Path, ...]:
        """Folders of this machine where tensorflow_hub may have left models: the cache folder, else its temp folder."""
        if self.remote_cache is not None:
            return ()
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


_default_cache_dir: tuple[tuple[str, str], ...] = ()


def use_default_cache_dir(path: str | None) -> None:
    """Sets the folder of the model cache of this process for when no setting names one; None for the user's own."""
    global _default_cache_dir
    _default_cache_dir = () if path is None else (("cache_dir", path),)


def current() -> Settings:
    """Returns the settings in force at this moment.

    Raises:
        SettingError: If a variable holds a value that its setting does not take.
    """
    base, changes = _overrides.get()
    if base is None:
        base = _read(_default_cache_dir + _flag_values(), _texts())
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


def _some(text: str) -> int:
    value = int(text)
    if 0 < value <= _MOST_CONNECTIONS:
        return value
    raise ValueError


def _amount(text: str, reader: Callable[[str], float] = float) -> float:
    value = reader(text)
    if value >= 0:
        return value
    raise ValueError


def _mirror(text: str) -> str:
    if _is_plain_url(text):
        return text
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


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, map(str.strip, text.split(","))))
    if _are_names(names):
        return names
    raise ValueError


def _are_names(values: object) -> bool:
    """Whether these are ops, folders and beginnings of URLs."""
    return isinstance(values, tuple) and all(
        isinstance(value, str) and (_is_beginning(value) if "://" in value else bool(value.strip())) for value in values
    )


def _is_beginning(text: str) -> bool:
    scheme, _, rest = text.partition("://")
    return _is_plain_url(f"https://{rest}") and bool(scheme)


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
    "REHUB_MIRROR": ("mirror", _mirror, f"a URL, such as https://HOST {_NO_LOGIN}"),
    "REHUB_OFFLINE": ("offline", _boolean, "1 or 0"),
    "REHUB_TIMEOUT_S": ("timeout_s", _amount, "a number, zero or more"),
    "REHUB_MIN_BYTES_PER_S": ("min_bytes_per_s", _amount, "a number, zero or more"),
    "REHUB_RETRIES": ("retries", _count, "a whole number, zero or more"),
    "REHUB_CONNECTIONS": ("connections", _some, f"a whole number from 1 to {_MOST_CONNECTIONS}"),
    "REHUB_UNVERSIONED_TTL_S": ("unversioned_ttl_s", _amount, "a number, zero or more"),
    "REHUB_LOCK_TIMEOUT_S": ("lock_timeout_s", _amount, "a number, zero or more"),
    "REHUB_TOKEN": ("token", str, "a token"),
    "REHUB_TOKEN_HOST": ("token_host", str, "a host"),
    "REHUB_CREDENTIALS_FILE": ("credentials_file", str, "a file"),
    "REHUB_MEMO": ("memo", _boolean, "1 or 0"),
    "REHUB_OP_POLICY": ("op_policy", _one_of(_OP_POLICIES), "warn, refuse or allow"),
    "REHUB_OP_POLICY_ALLOW": ("op_policy_allow", _names, f"{_NAMES}, with commas between them"),
    "REHUB_LOCKFILE": ("lockfile", str, "a file"),
    "REHUB_READONLY_CACHE": ("readonly_cache", _one_of(_READONLY_CACHES), "error or temporary"),
}
"""Variable to its field of `Settings`, how its text is read, and what it may be set to. Of two variables for one field
the later one counts; an empty one is as good as none."""


_ENCODED = tuple(_VARIABLES) if os.name == "nt" else tuple(map(os.fsencode, _VARIABLES))


def without_login(text: str) -> str:
    """Returns a text as it may be shown: of the URLs in it without user and password."""
    return _LOGIN.sub("…@", text)


def variables() -> Mapping[str, str]:
    """Returns the name of each variable that is read, and the field of `Settings` that it sets."""
    return {variable: name for variable, (name, _, _) in _VARIABLES.items()}


def _texts() -> tuple[str | bytes | None, ...]:
    """Returns what the variables are set to, in the order of `_VARIABLES`, as the system writes it."""
    # Of os.environ itself, each variable that is not set costs two exceptions: together half of a hit of the cache.
    environment = getattr(os.environ, "_data", None)
    if environment is None:
        return tuple(map(os.environ.get, _VARIABLES))
    return tuple(map(environment.get, _ENCODED))


@functools.lru_cache(maxsize=16)
def _read(defaults: tuple[tuple[str, str], ...], texts: tuple[str | bytes | None, ...]) -> Settings:
    """Makes the settings of a process; every call of the library asks for them, and they hardly ever change."""
    values: dict[str, Any] = dict(defaults)
    for (variable, (name, reader, wanted)), encoded in zip(_VARIABLES.items(), texts, strict=True):
        if encoded:
            text = os.fsdecode(encoded)
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
    flags = getattr(sys.modules.get("absl.flags"), "FLAGS", None)  # another thread may just import it
    if flags is None:
        return ()
    return tuple(
        (setting, flags[name].value) for setting, name in _FLAGS.items() if name in flags and flags[name].value
    )
