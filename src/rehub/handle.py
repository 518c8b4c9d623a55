"""Handles: the text by which a person names a model, read into an address. Pure: no file or network is touched.

Source of the forms: TensorFlow Hub hosting protocol and model handles.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import os
import re
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from rehub.errors import HandleError
from rehub.repository import DEFAULT_REVISION, Repository, read_repository

_ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_URL_LIMIT = 8192  # servers take no longer ones
_VERSION_DIGITS = 20  # 64 bits; Python refuses to read numbers of thousands of digits
_BUCKETS = ("s3", "gs", "az")
_KAGGLE_HOSTS = frozenset({"www.kaggle.com", "kaggle.com"})
_KAGGLE_WORDS = ("models", None, None, "frameworks", None, "variations", None, "versions", None)


class Kind(enum.Enum):
    """How a handle is resolved."""

    PATH = "path"
    """A folder on this machine."""
    HUB = "hub"
    """A URL whose server speaks the hosting protocol."""
    ARCHIVE = "archive"
    """A URL of a plain tar file, also of one in a bucket."""
    HUGGINGFACE = "huggingface"
    """A folder of a repository on the Hugging Face Hub."""
    BUCKET = "bucket"
    """A folder in a bucket, ``s3://``, ``gs://`` or ``az://``: obstore gets it, or TensorFlow opens it in place."""
    REMOTE = "remote"
    """A folder that TensorFlow's own filesystem layer opens in place, such as ``hdfs://HOST/FOLDER``."""


@dataclasses.dataclass(frozen=True)
class Handle:
    """The address of one model.

    Attributes:
        text: What the user wrote.
        kind: How it is resolved.
        location: The path, or the URL without fragment. All spellings of a Kaggle URL have the same location, and so
            have those of a repository on the Hugging Face Hub.
        pin: The sha256 (64 lower-case hex digits) after ``#sha256=``, over the sorted lines ``sha256  path`` of all
            files of the model, or None.
    """

    text: str
    kind: Kind
    location: str
    pin: str | None = None

    @property
    def asked(self) -> str:
        """What the user wrote, without the pin: for messages, where the location may be that of a version."""
        return self.text.partition("#")[0].strip().rstrip("/") or self.text

    @property
    def version(self) -> int | None:
        """The version at the end of a hub URL; None for other kinds and for unversioned handles."""
        last = self._url.path.rpartition("/")[2]
        return int(last) if self.kind is Kind.HUB and _is_version(last) else None

    @property
    def repository(self) -> Repository | None:
        """What a handle of the Hugging Face Hub names; None for other kinds."""
        return read_repository(self.location) if self.kind is Kind.HUGGINGFACE else None

    @property
    def may_change(self) -> bool:
        """Whether this names what is the newest, whichever that is; False for what is not downloaded."""
        repository = self.repository
        if repository is not None:
            return not repository.is_fixed
        return self.kind is Kind.BUCKET or (self.kind is Kind.HUB and self.version is None)

    @property
    def unversioned(self) -> str:
        """The location without the version or the revision, which all versions of a model have in common."""
        repository = self.repository
        if repository is not None:
            return repository.at(DEFAULT_REVISION).location
        if self.version is None:
            return self.location
        return urlunsplit(self._url._replace(path=self._url.path.rpartition("/")[0]))

    @property
    def is_downloadable(self) -> bool:
        """Whether the cache can have it."""
        return self.kind in (Kind.HUB, Kind.ARCHIVE, Kind.HUGGINGFACE, Kind.BUCKET)

    @property
    def is_remote_folder(self) -> bool:
        """Whether TensorFlow's own filesystem layer may open it in place."""
        return self.kind in (Kind.BUCKET, Kind.REMOTE)

    @property
    def scheme(self) -> str:
        """The scheme of a URL, in small letters; empty for paths."""
        return self._url.scheme if self.kind is not Kind.PATH else ""

    @property
    def host(self) -> str:
        """The host, with the port if there is one; empty for paths."""
        return self._url.netloc if self.kind is not Kind.PATH else ""

    @property
    def is_kaggle(self) -> bool:
        """Whether this is a model on Kaggle."""
        return self.kind is Kind.HUB and self._url.hostname in _KAGGLE_HOSTS

    def with_query(self, name: str, value: str) -> str:
        """Returns the URL with one more query parameter; those it has are kept, one of that name is replaced."""
        query = [(key, old) for key, old in parse_qsl(self._url.query, keep_blank_values=True) if key != name]
        return urlunsplit(self._url._replace(query=urlencode([*query, (name, value)])))

    @property
    def _url(self) -> SplitResult:
        return urlsplit(self.location)


def parse(text: str | os.PathLike[str]) -> Handle:
    """Reads a handle.

    Args:
        text: A filesystem path, ``http(s)://HOST/PUBLISHER/MODEL[/VERSION]``, a URL that ends in ``.tar``,
            ``.tar.gz`` or ``.tgz``, ``hf://OWNER/NAME[@REVISION][/FOLDER]``, a folder in a bucket (``s3://…``,
            ``gs://…``, ``az://…``), or a folder that only TensorFlow opens (``hdfs://…``). URLs may end in
            ``#sha256=DIGEST``, but not those of the last kind.

    Raises:
        HandleError: If it is empty, no text, has no host, or the pin is no sha256 or cannot be checked.
    """
    if isinstance(text, os.PathLike):
        text = os.fspath(text)
    if not isinstance(text, str):
        raise HandleError(
            f"Expected a string as a model handle, got {text!r}.",
            hint="Pass a path, a URL, or a loaded object where one is accepted.",
            handle=text,
        )
    return _parse(text)


@functools.lru_cache(maxsize=256)
def _parse(text: str) -> Handle:
    if not text.strip() or "\0" in text:
        raise HandleError(f"{text!r} is not a model handle.", hint="Pass a path or a URL.", handle=text)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Handle(text, Kind.PATH, text)
    if scheme[1].lower() == "file":
        return _parse_file_url(text)
    return _parse_url(text)


def _parse_url(text: str) -> Handle:
    if len(text) > _URL_LIMIT:
        raise HandleError(
            f"a URL of {len(text)} characters is no handle: {text[:80]!r}….", hint="Check its spelling.", handle=text
        )
    url = _split(text.strip(), text)
    port = url.port
    if not url.hostname:
        raise HandleError(
            f"{text!r} has no host.", hint="A URL reads https://HOST/PUBLISHER/MODEL/VERSION.", handle=text
        )
    if any(map(str.isspace, url.netloc)):
        raise HandleError(f"{text!r} has a space in its host.", hint="Check its spelling.", handle=text)
    if url.username or url.password:
        raise HandleError(
            "A handle must not contain a user name or password.",
            hint="Store the credentials for the host instead.",
        )
    pin = _pin(text, url.fragment)
    scheme = url.scheme.lower()
    if scheme == "hf":
        if url.query:
            raise HandleError(f"{text!r} has a query, and hf:// has none.", hint="Check its spelling.", handle=text)
        return Handle(text, Kind.HUGGINGFACE, read_repository(urlunsplit(url._replace(fragment=""))).location, pin)
    netloc = url.hostname if port is None else f"{url.hostname}:{port}"
    if ":" in url.hostname:
        netloc = f"[{url.hostname}]" if port is None else f"[{url.hostname}]:{port}"
    if scheme not in ("http", "https"):
        netloc = url.netloc
    path, query = _without_end(url.path), url.query.rstrip()
    url = url._replace(scheme=scheme, netloc=netloc, fragment="", path=path, query=query)
    if url.path.lower().endswith(_ARCHIVE_SUFFIXES):
        return Handle(text, Kind.ARCHIVE, urlunsplit(url), pin)
    if scheme in ("http", "https"):
        return Handle(text, Kind.HUB, urlunsplit(_canonical_kaggle(url)), pin)
    if scheme in _BUCKETS and not query:
        return Handle(text, Kind.BUCKET, urlunsplit(url), pin)
    if pin is not None:
        raise HandleError(
            f"{text!r} has a pin, but rehub does not see the files of a folder that TensorFlow opens in place.",
            hint="Omit the pin, or name an archive (.tar.gz) of the model.",
            handle=text,
        )
    return Handle(text, Kind.REMOTE, text.strip())


def _without_end(path: str) -> str:
    """A path without the slashes and spaces at its end."""
    while path != (shorter := path.rstrip().rstrip("/")):
        path = shorter
    return path


def _split(url: str, text: str) -> SplitResult:
    try:
        url.encode()  # a shell passes bytes that are no UTF-8 as half characters
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise HandleError(f"{text!r} is not a URL: {error}.", hint="Check its spelling.", handle=text) from None
    return parts


def _pin(text: str, fragment: str) -> str | None:
    if not fragment:
        return None
    name, _, digest = fragment.partition("=")
    if name != "sha256" or not _DIGEST.fullmatch(digest.lower()):
        raise HandleError(
            f"{text!r} ends in #{fragment}, which is not a pin.",
            hint="A pin reads #sha256= and 64 hexadecimal digits.",
            handle=text,
        )
    return digest.lower()


def _is_version(segment: str) -> bool:
    return segment.isascii() and segment.isdigit() and len(segment) <= _VERSION_DIGITS


def _canonical_kaggle(url: SplitResult) -> SplitResult:
    """Turns the long spelling (``frameworks/…/variations/…/versions/…``) into the short one."""
    if url.hostname not in _KAGGLE_HOSTS:
        return url
    parts = url.path.strip("/").split("/")
    words = _KAGGLE_WORDS[: len(parts)]
    if (
        len(parts) in (5, 7, 9)
        and all(parts)
        and parts[4].lower() != _KAGGLE_WORDS[3]  # no framework has that name, and the short spelling would look long
        and all(word is None or word == part.lower() for word, part in zip(words, parts, strict=True))
    ):
        kept = [parts[0], *(part for word, part in zip(words, parts, strict=True) if word is None)]
        url = url._replace(path=_without_end("/" + "/".join(kept)))
    return url._replace(netloc="www.kaggle.com")


def _parse_file_url(text: str) -> Handle:
    from urllib.request import url2pathname

    url = _split(text, text)
    if url.netloc not in ("", "localhost"):
        raise HandleError(
            f"{text!r} names a file on host {url.netloc!r}.", hint="Use a path of this machine.", handle=text
        )
    path = url2pathname(url.path)
    if "\0" in path:
        raise HandleError(f"{text!r} names no file.", hint="Omit %00.", handle=text)
    return Handle(text, Kind.PATH, path, _pin(text, url.fragment))
