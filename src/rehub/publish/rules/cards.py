"""Rules about the model card."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator

from rehub.formats.card import Card
from rehub.publish.rules.rule import NAMES, Found, Rule
from rehub.publish.rules.subject import Subject

PLACEHOLDER = "To be written:"
"""What the text begins with that a publisher has to replace, in what 'rehub publish card' writes."""

_NO_CARD = "there is no card that can be read"
_HANDLE = re.compile(r"[a-z\d-]+(/[^./\\:\s][^/\\:\s]*)+")
_FORMATS = {"tf1_hub": "hub", "saved_model_1": "saved_model", "saved_model_2": "saved_model_2"}
"""How cards call the formats. Source: TensorFlow Hub, "Write documentation"."""


def format_of_card(model_format: str) -> str:
    """Returns what a card calls a format of `rehub.ModelInfo`."""
    return _FORMATS[model_format]


def _missing(subject: Subject) -> Iterator[Found]:
    if subject.card is None and subject.card_problem is None:
        yield Found("card.md", "there is no model card", "Run 'rehub publish card', and write what it leaves open.")


def _unreadable(subject: Subject) -> Iterator[Found]:
    error = subject.card_problem
    if error is not None:
        yield Found("card.md", error.message.rstrip("."), error.hint)


def _handle(card: Card) -> Iterator[Found]:
    if card.handle and not _HANDLE.fullmatch(card.handle):
        yield Found(
            "handle",
            f"'{card.handle}' is not PUBLISHER/MODEL or PUBLISHER/MODEL/VERSION",
            "Write the publisher in lower-case letters, digits and '-'.",
        )
    if card.kind in ("collection", "publisher"):
        yield Found("kind", f"the card is that of a {card.kind}, and this is a model", "Leave the key out.")


def _values(card: Card) -> Iterator[Found]:
    said = {"description": card.description, "task": card.tasks, "license": card.license}
    if not card.handle:
        said["title"] = card.title
    lacking = sorted(key for key, value in said.items() if not value)
    if lacking:
        yield Found(
            "front matter",
            f"it lacks {', '.join(lacking)}, by which people find the model and learn whether they may use it",
            "Add these keys to the front matter.",
        )


def _placeholders(card: Card) -> Iterator[Found]:
    for key, value in card.front_matter().items():
        if PLACEHOLDER in str(value):
            yield Found(key, "it still has the text of the template", "Write what it asks for, or delete it.")
    heading = "text"
    for line in card.body.split("\n"):
        heading = line.lstrip("# ") if line.startswith("#") else heading
        if PLACEHOLDER in line:
            yield Found(heading, "it still has the text of the template", "Write what it asks for, or delete it.")


def _format(subject: Subject) -> Iterable[Found] | str:
    if subject.card is None:
        return _NO_CARD
    right = format_of_card(subject.info.format)
    if not subject.card.format or subject.card.format == right:
        return ()
    what = f"it is '{subject.card.format}', and the model is {NAMES[subject.info.format]}"
    return [Found("format", what, f"Write '{right}'.")]


def _fine_tunable(subject: Subject) -> Iterable[Found] | str:
    if subject.card is None:
        return _NO_CARD
    if not subject.card.fine_tunable:
        return "the card does not say that the model is fine-tunable"
    trainable = any(variable.is_trainable for graph in subject.info.meta_graphs for variable in graph.variables)
    if trainable and (subject.root is not None or subject.info.format != "saved_model_2"):
        return ()
    reason = "it has no trainable variables" if not trainable else "it cannot be called but by its signatures"
    return [Found("fine-tunable", f"it is true, and the model cannot be fine-tuned: {reason}", "Write false.")]


def _of_card(find: Callable[[Card], Iterator[Found]], subject: Subject) -> Iterable[Found] | str:
    return _NO_CARD if subject.card is None else find(subject.card)


RULES = (
    Rule("W601", "There is a model card.", _missing),
    Rule("E602", "The card can be read.", _unreadable),
    Rule("E603", "Its handle, if it says one, is one of a model.", functools.partial(_of_card, _handle)),
    Rule("W604", "It has a title, a description, a task and a license.", functools.partial(_of_card, _values)),
    Rule("W605", "Nothing of the template is left.", functools.partial(_of_card, _placeholders)),
    Rule("E606", "Its format is that of the model.", _format),
    Rule("E607", "It calls the model fine-tunable only if it is.", _fine_tunable),
)
