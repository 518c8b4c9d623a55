"""Model cards: Markdown with YAML front matter, and the documents that tfhub.dev had before.

They come from strangers. Front matter is read as texts and lists of texts alone, so that ``language: no`` stays
Norwegian; YAML's anchors, with which a short text becomes an endless one, are refused.
Source of the keys, and of the old form: TensorFlow Hub, "Write documentation".
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from rehub.errors import DependencyError, FormatError

Kind = Literal["module", "placeholder", "lite", "tfjs", "coral", "collection", "publisher"]

FILE_NAME = "card.md"
SIZE_LIMIT_BYTES = 1 << 20

_FRONT_MATTER_LIMIT = 32 << 10
_VALUES_LIMIT = 1000
_DEEPEST = 2  # the mapping, and lists in it
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_FIRST_LINE = re.compile(
    rf"#[ \t]+(?P<kind>{'|'.join(kind.capitalize() for kind in get_args(Kind))})[ \t]+(?P<handle>\S+)[ \t]*"
)
_COMMENT = re.compile(r"<!--[ \t]*(?P<key>[A-Za-z][A-Za-z0-9_.-]{0,63})[ \t]*:(?P<value>.*)-->[ \t]*")
_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9 .()/+_-]*[A-Za-z0-9.()])?")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
_UNWRITABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_YES, _NO = frozenset({"true", "yes"}), frozenset({"false", "no"})
_LISTS = {"tasks": "task", "datasets": "dataset", "languages": "language", "architectures": "network-architecture"}
_TEXTS = ("handle", "title", "description", "format", "license")
_FINE_TUNABLE = "fine-tunable"


@dataclasses.dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        kind: Of what it is the card.
        handle: ``PUBLISHER/MODEL/VERSION``, or ``PUBLISHER``, if the card says it.
        title: For people; empty in the old documents.
        description: One sentence or two.
        tasks: Such as ``text-embedding`` or ``image-feature-vector``.
        datasets: What it was trained on.
        languages: Of its texts.
        architectures: Of its network.
        fine_tunable: None if the card does not say it.
        format: ``hub`` for the TF1 Hub format, ``saved_model`` for a SavedModel of TensorFlow 1, ``saved_model_2``.
        license: Its name, such as ``apache-2.0``.
        others: All other keys.
        body: The Markdown, without empty lines around it.
    """

    kind: Kind = "module"
    handle: str = ""
    title: str = ""
    description: str = ""
    tasks: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    fine_tunable: bool | None = None
    format: str = ""
    license: str = ""
    others: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    body: str = ""

    def front_matter(self) -> dict[str, Any]:
        """Returns all but the body, by the keys of YAML, for `json.dumps`; what the card does not say is left out."""
        values: dict[str, Any] = {} if self.kind == "module" else {"kind": self.kind}
        values |= {name: getattr(self, name) for name in ("handle", "title", "description") if getattr(self, name)}
        values |= {key: list(getattr(self, name)) for name, key in _LISTS.items() if getattr(self, name)}
        if self.fine_tunable is not None:
            values[_FINE_TUNABLE] = self.fine_tunable
        values |= {name: getattr(self, name) for name in ("format", "license") if getattr(self, name)}
        return values | {key: each[0] if len(each) == 1 else list(each) for key, each in self.others.items()}


def write_card(card: Card) -> bytes:
    """Returns a card as Markdown with YAML front matter."""
    lines = (f"{key}: {_written(value)}\n" for key, value in card.front_matter().items())
    return f"---\n{''.join(lines)}---\n\n{card.body}\n".encode()


def read_card(data: bytes) -> Card:
    """Reads a card of either form.

    Raises:
        FormatError: If it is none, too large, or has a value that none of its kind can be.
        DependencyError: If it has front matter, and PyYAML is not installed.
    """
    if len(data) > SIZE_LIMIT_BYTES:
        raise _damaged(f"has {len(data)} bytes, more than {SIZE_LIMIT_BYTES}")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _damaged(f"is no text in UTF-8 ({error})") from error
    head = _FRONT_MATTER.match(text)
    if head is not None:
        return card_of(_values(head["yaml"]), text[head.end() :])
    if text.startswith("---"):
        raise _damaged("has front matter that does not end", hint="End it with a line of just '---'.")
    return _read_document(text)


def card_of(values: Mapping[str, object], body: str = "") -> Card:
    """Returns the card of what `Card.front_matter` returned, or of what a stranger has in its place.

    Args:
        values: Texts, bools and lists of texts, by the keys of the front matter.
        body: The Markdown.

    Raises:
        FormatError: If a value is none that its key can have.
    """
    texts = {key: tuple(filter(None, _texts(key, value))) for key, value in values.items()}
    if sum(map(len, texts.values())) > _VALUES_LIMIT:
        raise _damaged(f"has more than {_VALUES_LIMIT} values")
    known: dict[str, Any] = {name: _single(name, texts.pop(name, ())) for name in _TEXTS}
    known |= {name: texts.pop(key, ()) for name, key in _LISTS.items()}
    return Card(
        kind=_kind(_single("kind", texts.pop("kind", ())) or "module"),
        fine_tunable=_bool(_single(_FINE_TUNABLE, texts.pop(_FINE_TUNABLE, ()))),
        others=texts,
        body=_checked("text", body).strip("\n"),
        **known,
    )


def _written(value: bool | str | list[str]) -> str:
    """A value in YAML: texts that YAML may take for something else are in the quotes of JSON, which it knows, too."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return _UNWRITABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _read_document(text: str) -> Card:
    """Reads what tfhub.dev had: a heading, a description, and a comment for each value."""
    lines = text.strip("\n").split("\n")
    first = _FIRST_LINE.fullmatch(lines[0])
    if first is None:
        raise _damaged(
            "has neither front matter nor a first line like '# Module PUBLISHER/MODEL/VERSION'",
            hint="Begin it with '---', lines of 'key: value', and '---'; 'rehub publish card' writes an example.",
        )
    at, description = 1, list[str]()
    while at < len(lines) and not lines[at].startswith(("<!--", "#")) and not (description and not lines[at].strip()):
        description += [lines[at].strip()] if lines[at].strip() else []
        at += 1
    values = dict[str, list[str]]()
    while at < len(lines):
        comment = _COMMENT.fullmatch(lines[at])
        if comment is not None:
            values.setdefault(comment["key"], []).append(comment["value"].strip())
        elif lines[at].strip():
            break
        at += 1
    said = {"kind": first["kind"].lower(), "handle": first["handle"], "description": " ".join(description)}
    return card_of({**values, **said}, "\n".join(lines[at:]))


def _values(text: str) -> dict[str, object]:
    if len(text) > _FRONT_MATTER_LIMIT:
        raise _damaged(f"has front matter of {len(text)} characters, more than {_FRONT_MATTER_LIMIT}")
    yaml = _yaml()
    try:
        _check_events(yaml, text)
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except FormatError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the latter two of absurd numbers and escapes
        raise _damaged(f"has front matter that is no YAML ({' '.join(str(error).split())})") from error
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise _damaged("has front matter without keys", hint="Write lines of 'key: value'.")
    found: dict[str, object] = {}
    for key, value in root.value:
        if not isinstance(key, yaml.ScalarNode) or key.value in found:
            raise _damaged(f"has the key {str(key.value)[:100]!r} twice, or a key that is no text")
        found[key.value] = [item.value for item in value.value] if isinstance(value, yaml.SequenceNode) else value.value
    return found


def _check_events(yaml: Any, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _damaged("uses anchors ('&' or '*') in its front matter", hint="Put texts that begin so into quotes.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST or (depth == _DEEPEST and isinstance(event, yaml.MappingStartEvent)):
            raise _damaged("has nested values in its front matter", hint="Use texts, and lists of texts.")


def _texts(key: object, value: object) -> Iterator[str]:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise _damaged(f"has the key {str(key)[:100]!r}")
    for each in value if isinstance(value, (list, tuple)) else [value]:
        if not isinstance(each, (str, bool)):
            raise _damaged(f"has {str(each)[:100]!r} as {key!r}", hint="Use texts, and lists of texts.")
        yield _checked(key, each) if isinstance(each, str) else str(each).lower()


def _checked(key: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _damaged(f"has a {key!r} that is no Unicode ({error.reason})") from error
    return text


def _single(key: str, texts: Sequence[str]) -> str:
    if len(texts) > 1:
        raise _damaged(f"has {len(texts)} values as {key!r}, which can have one")
    return texts[0] if texts else ""


def _kind(text: str) -> Kind:
    found: Kind | None = next((kind for kind in get_args(Kind) if kind == text), None)
    if found is None:
        raise _damaged(f"is of the kind {text[:100]!r}", hint=f"There are {', '.join(get_args(Kind))}.")
    return found


def _bool(text: str) -> bool | None:
    if text and text.lower() not in _YES | _NO:
        raise _damaged(f"has {text[:100]!r} as {_FINE_TUNABLE!r}", hint="Write true or false.")
    return text.lower() in _YES if text else None


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise DependencyError(
            "The front matter of model cards is read by PyYAML, which is not installed.",
            hint='Run: pip install "rehub[publish]"',
            package="pyyaml",
        ) from error
    return yaml


def _damaged(
    what: str, *, hint: str = "Correct the card, or write a new one with 'rehub publish card'."
) -> FormatError:
    return FormatError(f"the card {what}.", hint=hint)
