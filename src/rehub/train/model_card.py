"""The card of a trained classifier: what the training knows of it; its licence is the publisher's to tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rehub.formats.card import Card
from rehub.publish.card import card as describe
from rehub.train.metrics import confused
from rehub.words import count

_SECTIONS = ("## Training data", "## Licence")
"""Between these `rehub.publish.card` asks for what is known here."""

_NAMED = 20


def write(model: Path, kind: str, metrics: Mapping[str, Any]) -> Card:
    """Returns the card.

    Args:
        model: The folder of the model.
        kind: What it takes.
        metrics: What ``metrics.json`` has.
    """
    template = describe(model)
    begin, end = (template.body.index(heading) for heading in _SECTIONS)
    known = "\n".join(_known(kind, metrics))
    end_of_licence = template.body.find("\n## ", end)
    licence = template.body[end : end_of_licence if end_of_licence > 0 else None].rstrip()
    return dataclasses.replace(
        template,
        title=f"{kind.capitalize()} classifier of {len(metrics['classes']):,} classes",
        description=f"Tells {_named(metrics)} apart.",
        tasks=(f"{kind}-classification",),
        fine_tunable=True,
        body=f"{_inputs(kind)}\n\n{template.body[:begin]}{known}\n\n{licence}",
    )


def _named(metrics: Mapping[str, Any]) -> str:
    names = [each["name"] for each in metrics["classes"]]
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def _inputs(kind: str) -> str:
    taken = (
        "Images are RGB with values in [0, 1]; the signature `image_bytes` takes JPEG, PNG, GIF and BMP files as bytes."
        if kind == "image"
        else "Texts are strings as they are."
    )
    return (
        f"{taken} A call returns one logit for each class, in the order of the asset `labels.txt`; the signature "
        "`serving_default` returns probabilities and the label of the likeliest class."
    )


def _origin(handle: str) -> str:
    """Names the model; of a path the end alone, which says nothing about whose machine it was."""
    return f"`{handle}`" if "://" in handle else f"a model called `{'/'.join(Path(handle).parts[-3:])}`"


def _known(kind: str, metrics: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Training data", "")
    yield (
        f"{metrics['training_examples']:,} labelled {kind}s; {metrics['validation_examples']:,} others for the "
        "validation."
    )
    yield from ("", "| class | trained with | validation | precision | recall |", "| --- | ---: | ---: | ---: | ---: |")
    for each in metrics["classes"]:
        name = each["name"].replace("|", "\\|")
        shares = " | ".join("" if each[key] is None else f"{each[key]:.3f}" for key in ("precision", "recall"))
        yield f"| {name} | {each['training']:,} | {each['validation']:,} | {shares} |"
    yield from ("", "## Training", "")
    tuned = any(each["stage"] == "fine-tuning" for each in metrics["epochs"])
    best = metrics["best_epoch"]
    yield (
        f"Made from {_origin(metrics['arguments']['handle'])} with a new last layer"
        + ("; both were then fine-tuned together" if tuned else "; the rest is as it was published")
        + f". Kept is what there was after epoch {best['number']} of the stage '{best['stage']}': it has the least "
        "loss on the validation examples."
    )
    yield from ("", "## Limits", "")
    yield (
        f"On the validation examples the accuracy is {metrics['accuracy']:.3f}; always saying the commonest class has "
        f"{metrics['accuracy_of_the_commonest_class']:.3f}. The epoch was chosen on the same examples, so expect a bit "
        "less on others. Anything is taken for one of the classes, also what is none of them."
    )
    pairs = confused(metrics, 3)
    if pairs:
        listed = "; ".join(f"{one} for {other} ({count(number, 'time')})" for one, other, number in pairs)
        yield f"Taken for each other most often: {listed}."
