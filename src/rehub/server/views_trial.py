"""What a model page shows of trying the model, ready to be written."""

from __future__ import annotations

import base64
import dataclasses
import itertools

from rehub.server.trial import Trial
from rehub.server.trial_outcome import Classes, Failure, Features, Outcome, Similarities
from rehub.words import count

TEXTS_LIMIT = 8
LETTERS_LIMIT = 2000
"""Of one sentence."""
PICTURE_LIMIT_BYTES = 10_000_000

_EXAMPLES = "How old are you?\nWhat is your age?\nThe weather is fine today."
_SHADES = 10
_SHOWN_VALUES = 6
_BARS_HEIGHT = 60


@dataclasses.dataclass(frozen=True)
class Tried:
    """What somebody tried.

    Attributes:
        outcome: What came of it.
        text: What was typed.
        texts: The sentences in it.
    """

    outcome: Outcome
    text: str = ""
    texts: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class SimilarityCell:
    """The number of two sentences, and how strong its colour is, from 0 to 10."""

    text: str
    shade: int


@dataclasses.dataclass(frozen=True)
class SimilarityRow:
    """One sentence with all."""

    number: int
    text: str
    cells: tuple[SimilarityCell, ...]


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """One class: its share in words, and of 100."""

    name: str
    text: str
    share: float


@dataclasses.dataclass(frozen=True)
class Bar:
    """One number of a vector, as a rectangle."""

    x: int
    y: float
    height: float
    is_negative: bool


@dataclasses.dataclass(frozen=True)
class TrialView:
    """The section of a page on which a model is tried.

    Attributes:
        action: Where the form is sent to.
        takes_texts: Whether it is tried with sentences, and not with a picture.
        intro: What to do.
        text: The sentences that the form begins with.
        refusal: Why it cannot be tried here; empty if it can.
        failure: Why nothing came of it; empty if something did.
        summary: What came of it, in words; empty before.
        matrix: Of sentences.
        classes: Of a picture.
        bars: The first numbers of a vector.
        bars_text: These numbers, in words.
        picture: What the model saw, as a URL; empty for texts.
        facts: How large the result is, and how long it took.
    """

    action: str
    takes_texts: bool
    intro: str
    text: str
    refusal: str
    failure: str = ""
    summary: str = ""
    matrix: tuple[SimilarityRow, ...] = ()
    classes: tuple[ClassRow, ...] = ()
    bars: tuple[Bar, ...] = ()
    bars_text: str = ""
    picture: str = ""
    facts: str = ""


def trial_view(trial: Trial, path: str, tried: Tried | None) -> TrialView:
    """Returns the section of a model.

    Args:
        trial: How it is tried.
        path: Of its page, with the version.
        tried: What was tried, if anything was.
    """
    view = TrialView(
        action=f"{path}?try-it",
        takes_texts=trial.takes_texts,
        intro=_intro(trial),
        text=tried.text if tried and tried.text else _EXAMPLES,
        refusal=trial.refusal,
    )
    outcome = tried.outcome if tried else None
    if isinstance(outcome, Failure):
        return dataclasses.replace(view, failure=outcome.reason)
    if isinstance(outcome, Similarities) and tried is not None:
        return _of_texts(view, outcome, tried.texts)
    if isinstance(outcome, Classes):
        return _of_classes(view, outcome)
    return _of_features(view, outcome) if isinstance(outcome, Features) else view


def _intro(trial: Trial) -> str:
    if trial.takes_texts:
        return f"2 to {TEXTS_LIMIT} sentences, one on each line. The model tells how alike they are."
    what = "its classes" if trial.task == "image-classification" else "a vector of numbers"
    height, width = trial.image_size
    return (
        f"A PNG or JPEG of at most {PICTURE_LIMIT_BYTES // 1_000_000} MB. It is brought to {width} by {height} pixels, "
        f"with numbers from 0 to {255 if trial.dtype == 'uint8' else 1}, and the model gives {what}. It is not kept."
    )


def _of_texts(view: TrialView, found: Similarities, texts: tuple[str, ...]) -> TrialView:
    rows = tuple(
        SimilarityRow(
            number,
            text,
            tuple(SimilarityCell(f"{value:.2f}", round(max(value, 0.0) * _SHADES)) for value in values),
        )
        for number, (text, values) in enumerate(zip(texts, found.matrix, strict=True), start=1)
    )
    pairs = itertools.combinations(range(len(texts)), 2)
    one, other = max(pairs, key=lambda pair: found.matrix[pair[0]][pair[1]])
    return dataclasses.replace(
        view,
        summary=f"Most alike are sentences {one + 1} and {other + 1}, with {found.matrix[one][other]:.2f}.",
        matrix=rows,
        facts=f"The cosine of vectors of {count(found.width, 'number')}, made in {_time(found.seconds)}.",
    )


def _of_classes(view: TrialView, found: Classes) -> TrialView:
    rows = tuple(
        ClassRow(name or f"Class {number}", f"{100 * share:.1f} %", round(100 * share, 1))
        for number, name, share in found.best
    )
    what = ", the softmax of what the model returns" if found.are_logits else ""
    return dataclasses.replace(
        view,
        summary=f"{rows[0].name} ({rows[0].text})",
        classes=rows,
        picture=_url(found.picture),
        facts=f"The likeliest of {found.count:,} classes{what}, found in {_time(found.seconds)}.",
    )


def _of_features(view: TrialView, found: Features) -> TrialView:
    largest = max(map(abs, found.values)) or 1.0
    middle = _BARS_HEIGHT / 2
    bars = tuple(
        Bar(place, round(middle - max(value, 0.0) * scale, 2), round(max(abs(value) * scale, 0.3), 2), value < 0)
        for place, value in enumerate(found.values)
        for scale in (middle / largest,)
    )
    shown = ", ".join(f"{value:.3g}" for value in found.values[:_SHOWN_VALUES])
    return dataclasses.replace(
        view,
        summary=f"A vector of {count(found.width, 'number')}; its norm is {found.norm:.3g}.",
        bars=bars,
        bars_text=f"The first {count(len(bars), 'number')}: {shown}{', …' if found.width > _SHOWN_VALUES else ''}",
        picture=_url(found.picture),
        facts=f"Made in {_time(found.seconds)}.",
    )


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{max(1, round(1000 * seconds))} ms"


def _url(picture: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
