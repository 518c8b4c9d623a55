"""What a URL of a model is asked for. Source: TensorFlow Hub hosting protocol."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator

from starlette.datastructures import QueryParams

from rehub.formats.manifest import MEDIA_TYPE
from rehub.server.catalogue import Address, parse_address

FORMAT = "tf-hub-format"
FORMATS = ("compressed", "uncompressed")

_FILE = "rehub-file"
_LITE, _LITE_FORMATS = "lite-format", ("tflite",)
_JS, _JS_FORMATS = "tfjs-format", ("compressed", "file")
_JS_MODEL = "model.json"
_DEEPEST = 3
"""How many segments the name of a file may have that TensorFlow.js loads."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        kind: ``page``, ``archive``, ``uncompressed``, ``file``, ``tflite``, ``tfjs`` (the archive of a model for
            TensorFlow.js), ``tfjs-file``, or ``unknown``.
        text: The name of the file; of what is unknown, the parameter.
    """

    kind: str
    text: str = ""


def wanted_of(query: QueryParams) -> Wanted:
    """Returns what a query asks for."""
    # Early clients list several formats, separated by commas.
    formats = [name.strip() for value in query.getlist(FORMAT) for name in value.split(",")]
    file = query.get(_FILE)
    if file is not None:
        return Wanted("file", file)
    if formats:
        known = next((name for name in FORMATS if name in formats), None)
        kinds = {"compressed": "archive", "uncompressed": "uncompressed"}
        return Wanted(kinds[known]) if known else _unknown(FORMAT, ",".join(formats), FORMATS)
    if (lite := query.get(_LITE)) is not None:
        return Wanted("tflite") if lite in _LITE_FORMATS else _unknown(_LITE, lite, _LITE_FORMATS)
    if (js := query.get(_JS)) is not None:
        kinds = {"compressed": "tfjs", "file": "tfjs-file"}
        return Wanted(kinds[js]) if js in kinds else _unknown(_JS, js, _JS_FORMATS)
    return Wanted("page")


def places_of(path: str, wanted: Wanted) -> Iterator[tuple[Address, Wanted]]:
    """Gives what a path may name, the likeliest first.

    Args:
        path: Of the URL, decoded.
        wanted: What is asked for; files for TensorFlow.js are named by the end of the path, after the model.
    """
    if wanted.kind != "tfjs-file":
        address = parse_address(path)
        if address is not None:
            yield address, wanted
        return
    segments = path.strip("/").split("/")
    for depth in range(1, min(_DEEPEST, len(segments) - 1) + 1):
        address = parse_address("/".join(segments[:-depth]))
        if address is not None:
            yield address, Wanted(wanted.kind, "/".join(segments[-depth:]))


def lite_file(names: Collection[str]) -> str | None:
    """Returns which file of a version is the one for TensorFlow Lite: the only one, or ``model.tflite`` of several."""
    found = [name for name in names if name.endswith(".tflite")]
    if len(found) == 1:
        return found[0]
    return "model.tflite" if "model.tflite" in found else None


def is_for_js(names: Collection[str]) -> bool:
    """Whether a version is a model for TensorFlow.js: it has ``model.json`` at its top."""
    return _JS_MODEL in names


def wants_manifest(accept: str) -> bool:
    """Whether a client names manifests among what it accepts; ``*/*`` alone means an archive, as it always did."""
    for accepted in accept.lower().split(","):
        kind, *parameters = (part.replace(" ", "") for part in accepted.split(";"))
        if kind == MEDIA_TYPE:
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return False


def _unknown(name: str, value: str, known: Collection[str]) -> Wanted:
    return Wanted("unknown", f"{name}={value[:100]} is unknown. This hub has {' and '.join(known)}.")
