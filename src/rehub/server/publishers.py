"""What an operator sets for publishers, and the collections of models that they have."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from rehub.errors import FormatError, NotFoundError, PublishError
from rehub.server import names
from rehub.storage.interface import ObjectStore

TEXT_LIMIT_BYTES = 256 << 10
"""Of a description."""

_TITLE_LIMIT = 200
_MODELS_LIMIT = 10_000


@dataclasses.dataclass(frozen=True)
class PublisherInfo:
    """A publisher.

    Attributes:
        name: The first segment of the names of its models.
        is_private: Whether its models are only for those who have a token for it; None for as the hub is.
        title: For people; empty for its name.
        description: Markdown.
    """

    name: str
    is_private: bool | None = None
    title: str = ""
    description: str = ""


@dataclasses.dataclass(frozen=True)
class Collection:
    """Models that belong together.

    Attributes:
        publisher: Whose collection it is.
        name: The last segment of its URL, ``PUBLISHER/collection/NAME``.
        title: For people; empty for its name.
        description: Markdown.
        models: Names of models, perhaps of other publishers, in the order to show; some may not exist.
    """

    publisher: str
    name: str
    title: str = ""
    description: str = ""
    models: tuple[str, ...] = ()


def read_publisher(name: str, data: bytes) -> PublisherInfo:
    """Reads what is set for a publisher.

    Raises:
        FormatError: If it is damaged.
    """
    values = _object(data, f"publisher {name!r}")
    is_private = values.get("private")
    if not isinstance(is_private, (bool, type(None))):
        raise _damaged(f"publisher {name!r}")
    return PublisherInfo(name, is_private, _text(values, "title"), _text(values, "description"))


def set_publisher(
    store: ObjectStore,
    name: str,
    *,
    is_private: bool | None = None,
    title: str | None = None,
    description: str | None = None,
) -> PublisherInfo:
    """Changes what is set for a publisher, which need not have models yet.

    Args:
        store: The hub's.
        name: The publisher.
        is_private: As in `PublisherInfo`; None leaves it.
        title: Likewise.
        description: Likewise.

    Returns:
        What is set now.

    Raises:
        PublishError: If a value is none that can be set.
        StoreError: If the store fails.
    """
    key = names.publisher_key(names.check_publisher(name))
    try:
        now = read_publisher(name, store.read(key))
    except NotFoundError:
        now = PublisherInfo(name)
    changes: dict[str, Any] = {"is_private": is_private, "title": title, "description": description}
    now = dataclasses.replace(now, **{field: value for field, value in changes.items() if value is not None})
    _check_texts(now.title, now.description)
    values = {"private": now.is_private, "title": now.title, "description": now.description}
    store.put(key, _json({field: value for field, value in values.items() if value is not None}))
    return now


def read_collection(publisher: str, name: str, data: bytes) -> Collection:
    """Reads a collection.

    Raises:
        FormatError: If it is damaged.
    """
    what = f"collection {publisher}/{name}"
    values = _object(data, what)
    models = values.get("models")
    if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
        raise _damaged(what)
    return Collection(publisher, name, _text(values, "title"), _text(values, "description"), tuple(models))


def set_collection(store: ObjectStore, collection: Collection) -> None:
    """Makes or replaces a collection.

    Raises:
        PublishError: If its name or a value is none that can be set.
        StoreError: If the store fails.
    """
    _check_texts(collection.title, collection.description)
    for model in collection.models:
        if not names.is_servable(model) or "/" not in model:
            raise PublishError(f"{model[:100]!r} is no name of a model.", hint="Write PUBLISHER/MODEL.")
    if len(collection.models) > _MODELS_LIMIT:
        raise PublishError(f"{len(collection.models)} models are too many.", hint=f"Use {_MODELS_LIMIT} at most.")
    values = {"title": collection.title, "description": collection.description, "models": list(collection.models)}
    store.put(_collection_key(collection.publisher, collection.name), _json(values))


def remove_collection(store: ObjectStore, publisher: str, name: str) -> None:
    """Removes a collection; its models stay.

    Raises:
        NotFoundError: If there is none.
        StoreError: If the store fails.
    """
    key = _collection_key(publisher, name)
    if store.info(key) is None:
        raise NotFoundError(f"there is no collection {publisher}/{name}.", hint="Look at the publisher's page.")
    store.delete(key)


def _collection_key(publisher: str, name: str) -> str:
    names.check_publisher(publisher)
    if "/" in name or not names.is_servable(name):
        raise PublishError(f"{name[:100]!r} is no name of a collection.", hint="Use letters, digits, '-' and '_'.")
    return names.collection_key(publisher, name)


def _check_texts(title: str, description: str) -> None:
    if len(title) > _TITLE_LIMIT or not title.isprintable():
        raise PublishError(f"{title[:40]!r} is no title.", hint=f"Use one line of {_TITLE_LIMIT} characters at most.")
    size_bytes = len(description.encode(errors="replace"))
    if size_bytes > TEXT_LIMIT_BYTES:
        raise PublishError(f"a description of {size_bytes} bytes is too long.", hint=f"Use {TEXT_LIMIT_BYTES} at most.")


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, indent=2).encode() + b"\n"


def _object(data: bytes, what: str) -> Mapping[str, Any]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(what) from error
    if not isinstance(values, dict):
        raise _damaged(what)
    return values


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, "")
    return value if isinstance(value, str) else ""


def _damaged(what: str) -> FormatError:
    return FormatError(f"what is stored of {what} is damaged.", hint="Set it again with 'rehub serve'.")
