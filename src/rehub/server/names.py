"""Names on a hub: what a URL may name, what may be published, and what keys in the store belong to it.

A hub's store::

    PUBLISHER/MODEL/VERSION/manifest.json           the record; written last, and never again: it makes the version
    PUBLISHER/MODEL/VERSION/CONTENT/files/NAME      a file; CONTENT stands for what all files of the version are
    PUBLISHER/MODEL/VERSION/CONTENT/model.tar.gz
    PUBLISHER/MODEL/VERSION/CONTENT/card-SHA256.md  the model card, if it has one
    PUBLISHER/MODEL/VERSION/tombstone.json          the version was removed: nothing else of it counts
    _rehub/tokens/SHA256.json
    _rehub/publishers/PUBLISHER.json
    _rehub/collections/PUBLISHER/NAME.json
    _rehub/uploads/PUBLISHER/MODEL/CONTENT/         a running upload: manifest.json, and blocks/SHA256

Publishers that race for one version each write into the folder of their own content; one of them makes the record.
"""

from __future__ import annotations

import re
import secrets

from rehub.errors import FormatError, PublishError
from rehub.file_names import FileNames

RESERVED = "_rehub"
"""The first segment of what is never served."""

RESERVED_PUBLISHERS = frozenset({"api", "healthz", "metrics", "readyz", "static"})
"""First segments of the hub's own URLs."""

RECORD, TOMBSTONE = "manifest.json", "tombstone.json"
"""In the folder of a version."""

COLLECTION = "collection"
"""The segment in the URL of a collection: ``PUBLISHER/collection/NAME``."""

# No leading zeros: each version has one URL. The length keeps hostile numbers away from int().
VERSION = re.compile(r"0|[1-9][0-9]{0,17}")
# No backslash or colon (Windows would read them as separator and drive), no control characters, nothing hidden.
SEGMENT = re.compile(r"[^./\\:\x00-\x1f\x7f][^/\\:\x00-\x1f\x7f]{0,254}")
CONTENT = re.compile(r"[0-9a-f]{32}")
SHA256 = re.compile(r"[0-9a-f]{64}")

PUBLISHERS_PREFIX = f"{RESERVED}/publishers/"
TOKENS_PREFIX = f"{RESERVED}/tokens/"
UPLOADS_PREFIX = f"{RESERVED}/uploads/"

_NOBODY = secrets.token_hex(8)  # nobody can guess it, and so nothing has it in its name
_INSIDE = re.compile(r"/(?:0|[1-9][0-9]{0,17})/[0-9a-f]{32}/")
_PUBLISHER = re.compile(r"[a-z\d][a-z\d-]{0,62}", re.ASCII)
_NAME_LIMIT_BYTES = 255
_VERSION_LIMIT = 10**18
_PATH_LIMIT_BYTES = 900  # so that what lies there still has a key


def is_servable(path: str) -> bool:
    """Whether a path can be that of a model, or of a version: not one of the hub's own, nor inside of a version."""
    segments = path.split("/")
    if segments[0] == RESERVED or not all(map(SEGMENT.fullmatch, segments)) or is_inside(path):
        return False
    try:
        return len(path.encode()) <= _PATH_LIMIT_BYTES
    except UnicodeEncodeError:
        return False


def is_inside(path: str) -> bool:
    """Whether a path is that of files of a version which somebody has published, or has begun to."""
    return _INSIDE.search(f"{path}/") is not None


def check_model(name: str) -> str:
    """Returns the publisher of a model that may be published.

    Raises:
        PublishError: If nothing can be published by this name.
    """
    publisher, *segments = name.split("/")
    check_publisher(publisher)
    if not segments:
        raise _refused(name, "has no model after the publisher", "Name it PUBLISHER/MODEL.")
    if segments[0] == COLLECTION:
        raise _refused(name, f"has {COLLECTION!r} where the model has to be", "Choose another name for the model.")
    if number := next(filter(VERSION.fullmatch, segments), None):
        raise _refused(name, f"has the number {number} in it, which means a version", "Choose another name.")
    if len(name.encode(errors="replace")) > _NAME_LIMIT_BYTES:
        raise _refused(name, "is too long", f"Use {_NAME_LIMIT_BYTES} bytes at most.")
    try:
        plain = FileNames("the name of the model").add(name)
    except FormatError as error:
        raise PublishError(error.message, hint="Use letters, digits, '-', '_' and '.'.") from error
    if plain != name or not name.isprintable() or not is_servable(name):
        raise _refused(name, "is none that a URL and every disk can have", "Use letters, digits, '-', '_' and '.'.")
    return publisher


def check_publisher(name: str) -> str:
    """Returns a name that a publisher may have.

    Raises:
        PublishError: If none may.
    """
    if not _PUBLISHER.fullmatch(name) or name in RESERVED_PUBLISHERS:
        raise _refused(name, "is none of a publisher", "Use lower-case letters, digits and '-'.")
    return name


def is_version(number: int) -> bool:
    """Whether a URL can end in a number."""
    return 0 <= number < _VERSION_LIMIT


def check_version(version: int) -> int:
    """Returns a number that a version may have.

    Raises:
        PublishError: If none may.
    """
    if not is_version(version):
        raise PublishError(
            "that is no number of a version.", hint=f"Use one from 0 to {_VERSION_LIMIT - 1}, or none for the next one."
        )
    return version


def publisher_of(name: str) -> str:
    """Returns the publisher of a model."""
    return name.partition("/")[0]


def nowhere(name: str) -> str:
    """Returns the name of a model like another one that nobody has.

    Who may not know of a model has this one looked up in its place: what is not there takes the same steps to say so.
    """
    return f"{_NOBODY}{name}"


def record_key(name: str, version: int) -> str:
    """Returns the key of what makes a version."""
    return f"{name}/{version}/{RECORD}"


def tombstone_key(name: str, version: int) -> str:
    """Returns the key of what is left of a version that was removed."""
    return f"{name}/{version}/{TOMBSTONE}"


def content_prefix(name: str, version: int, content: str) -> str:
    """Returns what the keys of a version's files and archive begin with."""
    return f"{name}/{version}/{content}/"


def file_key(prefix: str, file: str) -> str:
    """Returns the key of a file, by the prefix of its version and its name in the model folder."""
    return f"{prefix}files/{file}"


def archive_key(prefix: str) -> str:
    """Returns the key of the archive of a version."""
    return f"{prefix}model.tar.gz"


def card_key(prefix: str, sha256: str) -> str:
    """Returns the key of a model card, which two publishers of the same files need not agree about."""
    return f"{prefix}card-{sha256}.md"


def upload_prefix(name: str, content: str) -> str:
    """Returns what the keys of a running upload begin with."""
    return f"{UPLOADS_PREFIX}{name}/{content}/"


def token_key(sha256: str) -> str:
    """Returns the key of a token."""
    return f"{TOKENS_PREFIX}{sha256}.json"


def publisher_key(publisher: str) -> str:
    """Returns the key of what is set for a publisher."""
    return f"{PUBLISHERS_PREFIX}{publisher}.json"


def collections_prefix(publisher: str) -> str:
    """Returns what the keys of a publisher's collections begin with."""
    return f"{RESERVED}/collections/{publisher}/"


def collection_key(publisher: str, name: str) -> str:
    """Returns the key of a collection."""
    return f"{collections_prefix(publisher)}{name}.json"


def _refused(name: str, what: str, hint: str) -> PublishError:
    return PublishError(f"the name {name[:100]!r} {what}.", hint=hint)
