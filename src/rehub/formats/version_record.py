"""Version records: what a hub knows of a published version, as JSON.

A record is a manifest (`rehub.formats.manifest`) with further keys, so whoever reads manifests can read it::

    {
      "format": 1, "block_bytes": 4194304, "files": [...],
      "interface": {...},                             what `rehub inspect --json` tells, without what is of a machine
      "card": {...},                                  the front matter of the model card
      "archive": {"size": 1234, "sha256": "0f3a..."}, of model.tar.gz
      "card_sha256": "41ab...",                       from here on of versions that a hub has published
      "content": "9c1e...",
      "created": "2026-01-31T12:00:00Z",
      "by": "ci of acme"
    }

Other keys are ignored.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from rehub.errors import FormatError
from rehub.formats.manifest import Manifest, manifest_of, write_manifest

SIZE_LIMIT_BYTES = 64 << 20
"""Of a record: a manifest of the largest size, and what there is to say of a model."""

_MACHINE = ("handle", "folder")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_DIGITS = 32
_NAME_LIMIT = 200
_DEEPEST = 50


@dataclasses.dataclass(frozen=True)
class Archive:
    """The archive of a version.

    Attributes:
        size_bytes: Its size.
        sha256: Of its bytes.
    """

    size_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Publication:
    """How a version came to a hub.

    Attributes:
        created: When, in UTC, to the second.
        by: The name of the token.
    """

    created: datetime.datetime
    by: str


@dataclasses.dataclass(frozen=True)
class VersionRecord:
    """All that is known of a version without its files.

    Attributes:
        manifest: Its files.
        interface: What `rehub.inspect` tells of it, as `portable` returns it; empty for what is no SavedModel.
        card: The front matter of its model card; empty without a card.
        archive: Its ``model.tar.gz``.
        card_sha256: Of the model card; empty without a card, and before it is published.
        publication: None before it is published.
    """

    manifest: Manifest
    interface: Mapping[str, Any]
    card: Mapping[str, Any]
    archive: Archive
    card_sha256: str = ""
    publication: Publication | None = None

    @property
    def content(self) -> str:
        """What `content_of` returns for its manifest."""
        return content_of(self.manifest)


def content_of(manifest: Manifest) -> str:
    """Returns the name of a model's files, which no other files have: 32 hex digits."""
    return hashlib.sha256(write_manifest(manifest)).hexdigest()[:_CONTENT_DIGITS]


def portable(document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `rehub.model.model_info.ModelInfo.to_json` gives without what depends on the machine."""
    return {key: value for key, value in document.items() if key not in _MACHINE}


def write_version_record(record: VersionRecord) -> bytes:
    """Returns a record as JSON: the same for equal records on every machine."""
    values = json.loads(write_manifest(record.manifest))
    values["interface"] = dict(record.interface)
    values["card"] = dict(record.card)
    values["archive"] = {"size": record.archive.size_bytes, "sha256": record.archive.sha256}
    if record.card_sha256:
        values["card_sha256"] = record.card_sha256
    if record.publication is not None:
        values["content"] = record.content
        values["created"] = record.publication.created.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
        values["by"] = record.publication.by
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def read_version_record(data: bytes) -> VersionRecord:
    """Reads a record.

    Raises:
        NewerManifest: If it is of a newer format.
        FormatError: If it is damaged or contradicts itself.
    """
    if len(data) > SIZE_LIMIT_BYTES:
        raise _damaged(f"has more than {SIZE_LIMIT_BYTES} bytes")
    try:
        values = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise _damaged(f"is no JSON ({error})") from error
    if not isinstance(values, dict):
        raise _damaged("is no JSON object")
    manifest = manifest_of(values)
    archive = _mapping(values, "archive")
    size_bytes = archive.get("size")
    if type(size_bytes) is not int or size_bytes < 0:
        raise _damaged(f"has an archive of {str(size_bytes)[:40]!r} bytes")
    card_sha256 = "" if "card_sha256" not in values else _digest(values["card_sha256"])
    return VersionRecord(
        manifest,
        _mapping(values, "interface"),
        _mapping(values, "card"),
        Archive(size_bytes, _digest(archive.get("sha256"))),
        card_sha256,
        _publication(values, manifest),
    )


def _publication(values: Mapping[str, Any], manifest: Manifest) -> Publication | None:
    if "content" not in values:
        return None
    content, created, by = (values.get(name) for name in ("content", "created", "by"))
    if content != content_of(manifest):
        raise _damaged(f"has the content {str(content)[:40]!r}, and lists other files")
    if not isinstance(by, str) or len(by) > _NAME_LIMIT:
        raise _damaged(f"says {str(by)[:40]!r} published it")
    _check_plain("by", by)
    try:
        when = datetime.datetime.strptime(str(created), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise _damaged(f"has {str(created)[:40]!r} as its time") from None
    return Publication(when, by)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _mapping(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = values.get(name)
    if not isinstance(value, dict):
        raise _damaged(f"has {str(value)[:40]!r} as {name!r}")
    _check_plain(name, value)
    return value


def _check_plain(name: str, value: object, depth: int = 0) -> None:
    """Sees to it that a value of JSON can be written again."""
    if depth > _DEEPEST:
        raise _damaged(f"has {name!r} of more than {_DEEPEST} levels")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _damaged(f"has half a character in {name!r}") from error
    elif isinstance(value, float) and not math.isfinite(value):
        raise _damaged(f"has a number without end in {name!r}")
    elif isinstance(value, (dict, list)):
        for item in itertools.chain(value, value.values() if isinstance(value, dict) else ()):
            _check_plain(name, item, depth + 1)


def _digest(value: object) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise _damaged(f"has {str(value)[:100]!r} as a sha256")
    return value


def _damaged(what: str) -> FormatError:
    return FormatError(
        f"the record of the version {what}.", hint="Publish the model again; if it recurs, report this file."
    )
