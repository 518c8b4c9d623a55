"""The API, described for programs. Source: OpenAPI Specification 3.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehub import __version__
from rehub.formats.manifest import BLOCK_BYTES

_JSON = "application/json"
_ERROR = {"$ref": "#/components/schemas/Error"}
_NUMBER = {"type": "integer", "minimum": 0}
_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_UPLOAD = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_WORDS = {
    400: "The request cannot be read.",
    401: "A token is missing, or not valid.",
    403: "The token is for something else.",
    404: "There is no such thing, or none for whoever asks.",
    408: "The body did not come in time.",
    409: "A version exists already with other files, or blocks are missing.",
    410: "The version was removed.",
    411: "The request has no Content-Length.",
    413: "It is more than the hub takes.",
    422: "What was sent cannot be published.",
    429: "There were too many requests; Retry-After says when to ask again.",
    500: "The hub failed.",
    503: "The store of the hub does not answer; Retry-After says when to ask again.",
    507: "The hub has no space left.",
}
_ALWAYS = (401, 429, 500, 503)
_WRITING = (400, 403, 408, 411, 413, 422, 507)


def description(base_url: str) -> dict[str, Any]:
    """Returns the description of the API.

    Args:
        base_url: The hub's own URL, without a slash at the end.
    """
    upload = "/api/v1/models/{name}/uploads"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rehub",
            "version": __version__,
            "description": "Publishing models on a hub, and looking for them.",
        },
        "servers": [{"url": base_url}],
        "paths": {
            "/api/v1/models": {"get": _search()},
            "/api/v1/models/{name}": {"get": _show()},
            upload: {"post": _begin()},
            f"{upload}/{{upload}}/blocks/{{sha256}}": {"put": _put_block()},
            f"{upload}/{{upload}}/commit": {"post": _commit()},
            "/api/v1/openapi.json": {
                "get": {
                    "operationId": "describe",
                    "summary": "This description.",
                    "responses": {**_answers("It.", {"type": "object"}), **_errors()},
                }
            },
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _error(), "Model": _model(), "Version": _version()},
        },
    }


def _search() -> dict[str, Any]:
    names = ("task", "format", "fine-tunable", "size", "publisher", "language", "architecture", "dataset")
    filters = [
        _query(name, {"type": "array", "items": {"type": "string"}}, "One of these labels has to fit.")
        for name in names
    ]
    page = {"type": "integer", "minimum": 1}
    found = _object(
        models={"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
        total=_NUMBER,
        page=page,
        pages=page,
        facets={"type": "object", "additionalProperties": {"type": "object", "additionalProperties": _NUMBER}},
    )
    return {
        "operationId": "search",
        "summary": "Look for models.",
        "parameters": [_query("q", {"type": "string"}, "Words to find."), _query("page", page, "From 1."), *filters],
        "responses": {**_answers("The models of one page.", found), **_errors()},
        "security": [{}, {"token": []}],
    }


def _show() -> dict[str, Any]:
    return {
        "operationId": "show",
        "summary": "What is known of a model, or of a version: PUBLISHER/MODEL, or PUBLISHER/MODEL/VERSION.",
        "parameters": [_name()],
        "responses": {**_answers("It.", {"$ref": "#/components/schemas/Version"}), **_errors(404, 410)},
        "security": [{}, {"token": []}],
    }


def _begin() -> dict[str, Any]:
    body = {"application/vnd.rehub.manifest+json": {"schema": {"type": "object"}}}
    answer = _object(upload=_UPLOAD, version={"type": ["integer", "null"]}, missing={"type": "array", "items": _HASH})
    return {
        "operationId": "begin",
        "summary": "Begin an upload, or continue one of the same files.",
        "parameters": [_name(), _query("version", _NUMBER, "The version to publish; the next free one without it.")],
        "requestBody": {"required": True, "description": "The manifest of the files.", "content": body},
        "responses": {**_answers("The blocks to send.", answer), **_errors(404, 409, *_WRITING)},
        "security": [{"token": []}],
    }


def _put_block() -> dict[str, Any]:
    content = {"application/octet-stream": {"schema": {"type": "string", "maxLength": BLOCK_BYTES}}}
    return {
        "operationId": "putBlock",
        "summary": "Send a block of an upload; it may come more than once.",
        "parameters": [_name(), _path("upload", _UPLOAD), _path("sha256", _HASH)],
        "requestBody": {"required": True, "content": content},
        "responses": {"204": {"description": "The block is there."}, **_errors(404, *_WRITING)},
        "security": [{"token": []}],
    }


def _commit() -> dict[str, Any]:
    body = {
        "type": "object",
        "properties": {
            "version": {"type": ["integer", "null"], "minimum": 0, "description": "Null for the next free one."},
            "card": {"type": ["string", "null"], "description": "The model card, in Markdown."},
        },
    }
    done = _object(name={"type": "string"}, version=_NUMBER, handle={"type": "string"})
    answers = {
        **_answers("The model has a version of these files already.", done),
        **_answers("The version is published.", done, "201"),
        **_answers("It takes longer; send the same request again.", _object(status={"const": "running"}), "202"),
    }
    return {
        "operationId": "commit",
        "summary": "Publish an upload as a version.",
        "parameters": [_name(), _path("upload", _UPLOAD)],
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": {**answers, **_errors(404, 409, *_WRITING)},
        "security": [{"token": []}],
    }


def _error() -> dict[str, Any]:
    found = _object(error={"type": "string"}, hint={"type": "string"}, request_id={"type": "string"})
    found["properties"]["missing"] = {"type": "array", "items": _HASH, "description": "Blocks to send."}
    return found


def _model() -> dict[str, Any]:
    text, labels = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    return _object(
        name=text,
        url=text,
        newest=_NUMBER,
        versions=_NUMBER,
        title=text,
        description=text,
        size_bytes={"type": ["integer", "null"]},
        created={"type": ["string", "null"]},
        labels={"type": "object", "additionalProperties": labels},
    )


def _version() -> dict[str, Any]:
    numbers = {"type": "array", "items": _NUMBER}
    return {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "version": _NUMBER,
            "handle": {"type": "string"},
            "versions": {**numbers, "description": "Of a model: those that there are."},
            "removed": {**numbers, "description": "Of a model: those that were removed."},
            "newest": {"type": ["object", "null"], "description": "Of a model: the highest version."},
            "created": {"type": ["string", "null"]},
            "archive": {"type": "object"},
            "files": {"type": "array", "items": {"type": "object"}},
            "card": {"type": "object"},
            "interface": {"type": "object"},
        },
    }


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


def _answers(text: str, schema: Mapping[str, Any], status: str = "200") -> dict[str, Any]:
    return {status: {"description": text, "content": {_JSON: {"schema": dict(schema)}}}}


def _errors(*statuses: int) -> dict[str, Any]:
    return {
        str(status): {"description": _WORDS[status], "content": {_JSON: {"schema": _ERROR}}}
        for status in sorted({*_ALWAYS, *statuses})
    }


def _name() -> dict[str, Any]:
    name = _path("name", {"type": "string"})
    return {**name, "description": "PUBLISHER/MODEL; slashes may be sent as they are, or as %2F."}


def _path(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": dict(schema)}


def _query(name: str, schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": dict(schema)}
