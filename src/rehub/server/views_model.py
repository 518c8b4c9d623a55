"""What the page of a model shows, ready to be written."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from markupsafe import Markup

from rehub.server.catalogue import Model
from rehub.server.changes import Changes
from rehub.server.description import Description
from rehub.server.markdown import render
from rehub.server.search import labels_of
from rehub.server.views import Badge, Crumb, badges, crumbs_of, path_of
from rehub.server.views_interface import Interface, VariableView
from rehub.server.views_picture import Picture, draw_variables
from rehub.server.views_snippets import CompatibilityRow, Snippet, compatibility, snippets
from rehub.server.views_trial import TrialView
from rehub.words import count, day, size

_ROWS = 12
_MOST_ROWS = 500


@dataclasses.dataclass(frozen=True)
class FileRow:
    """One file; ``sha256`` is empty where nobody has computed it."""

    name: str
    size: str
    sha256: str
    url: str


@dataclasses.dataclass(frozen=True)
class VersionRow:
    """One version; the date is empty where nobody knows it."""

    number: int
    url: str
    date: str
    is_current: bool
    is_newest: bool
    is_removed: bool = False


@dataclasses.dataclass(frozen=True)
class Fact:
    """A fact about the version."""

    name: str
    text: str


@dataclasses.dataclass(frozen=True)
class ModelPage:
    """The page of a model, or of one version of it.

    Attributes:
        title: For people.
        crumbs: The way here.
        name: ``PUBLISHER/MODEL``.
        version: The version that is shown.
        handle: Its URL, to load it by.
        description: One line.
        badges: By what people choose it.
        newer: The newest version, where an older one is shown; 0 else.
        newest_url: Of the model without a version.
        snippets: Ways to use it.
        card: Its card, rendered; empty where it has none.
        problem: Why nothing is known of its interface; empty else.
        interface: What it can do; None where nothing is known.
        picture: Of its variables.
        variables: The largest.
        more_variables: Those that are shown on demand.
        hidden_variables: How many are not shown at all.
        variables_summary: How many there are, and their size.
        files: All of them, by name, or as many as a page takes.
        hidden_files: How many are not shown at all.
        archive_url: Of the download.
        archive: What is downloaded, and its size where it is known.
        facts: About this version.
        pin: The handle that names just this content; empty where nobody has computed it.
        versions: All of them, the newest first.
        changes: What this version changed; None for the first one.
        compatibility: What works where.
        trial: How it can be tried here; None if it cannot.
    """

    title: str
    crumbs: tuple[Crumb, ...]
    name: str
    version: int
    handle: str
    description: str
    badges: tuple[Badge, ...]
    newer: int
    newest_url: str
    snippets: tuple[Snippet, ...]
    card: Markup
    problem: str
    interface: Interface | None
    picture: Picture | None
    variables: tuple[VariableView, ...]
    more_variables: tuple[VariableView, ...]
    hidden_variables: int
    variables_summary: str
    files: tuple[FileRow, ...]
    hidden_files: int
    archive_url: str
    archive: str
    facts: tuple[Fact, ...]
    pin: str
    versions: tuple[VersionRow, ...]
    changes: Changes | None
    compatibility: tuple[CompatibilityRow, ...]
    trial: TrialView | None


def model_page(
    model: Model,
    described: Description,
    *,
    named: int | None,
    base_url: str,
    changes: Changes | None,
    dates: Mapping[int, datetime.datetime],
    remote_images: bool,
    trial: TrialView | None,
) -> ModelPage:
    """Returns the page of a model.

    Args:
        model: The model.
        described: The version to show.
        named: The version that the URL names; None for one without.
        base_url: The hub's own URL, ending in a slash.
        changes: What this version changed.
        dates: When versions were published, as far as it is known.
        remote_images: Whether images of other servers are shown.
        trial: How it can be tried.
    """
    interface, card, number = described.interface, described.card, described.number
    short = model.name.rpartition("/")[2]
    url = f"{base_url}{quote(model.name)}/{number}"
    path = path_of(model.name, number)
    variables = interface.variables if interface else ()
    title = card.title or short
    return ModelPage(
        title=title,
        crumbs=crumbs_of(model.name, named),
        name=model.name,
        version=number,
        handle=url,
        description=card.description,
        badges=badges(labels_of(described), described.size_bytes, card.license),
        newer=model.newest if number != model.newest else 0,
        newest_url=path_of(model.name),
        snippets=snippets(interface, url, f"{short}-{number}", described.formats),
        card=render(_without_title(card.body, title), remote_images=remote_images) if card.body else Markup(""),
        problem=described.problem,
        interface=interface,
        picture=draw_variables(variables),
        variables=variables[:_ROWS],
        more_variables=variables[_ROWS:_MOST_ROWS],
        hidden_variables=max(0, len(variables) - _MOST_ROWS),
        variables_summary=_variables_summary(interface) if interface else "",
        files=tuple(
            FileRow(file.name, size(file.size_bytes), file.sha256, f"{path}?{urlencode({'rehub-file': file.name})}")
            for file in described.files[:_MOST_ROWS]
        ),
        hidden_files=max(0, len(described.files) - _MOST_ROWS),
        archive_url=f"{path}?tf-hub-format=compressed",
        archive="model.tar.gz" + (f", {size(described.archive_bytes)}" if described.archive_bytes is not None else ""),
        facts=tuple(_facts(described, interface)),
        pin=f"{url}#sha256={described.pin}" if described.pin else "",
        versions=_versions(model, number, dates),
        changes=changes,
        compatibility=compatibility(interface) if interface else (),
        trial=trial,
    )


def _without_title(body: str, title: str) -> str:
    """The body without a first heading that says again what the page is called."""
    first, _, rest = body.lstrip().partition("\n")
    is_title = first.startswith("# ") and first[2:].strip().casefold() == title.casefold()
    return rest if is_title else body


def _variables_summary(interface: Interface) -> str:
    trained = [variable for variable in interface.variables if variable.is_trainable]
    if not interface.variables:
        return "This model has no variables."
    text = f"{count(len(interface.variables), 'variable')}, {size(interface.variables_bytes)}"
    if trained:
        text += f"; {len(trained):,} of them trainable, {size(sum(variable.size_bytes for variable in trained))}"
    if interface.spare_variables:
        text += f". Beside them, {interface.spare_variables:,} of an optimizer, or copies"
    return f"{text}."


def _facts(described: Description, interface: Interface | None) -> list[Fact]:
    found = [Fact("Published", day(described.created))] if described.created else []
    found += [Fact("By", described.by)] if described.by else []
    found += [Fact("Size", f"{size(described.size_bytes)} in {count(len(described.files), 'file')}")]
    if interface:
        keras = f"Keras {interface.keras}" if interface.keras else ""
        found += [
            Fact("Format", interface.format_name),
            Fact("Written by", ", ".join(filter(None, [_prefixed("TensorFlow ", interface.tensorflow), keras]))),
            Fact("Graphs", "; ".join(tags or "no tags" for tags in interface.tags) if len(interface.tags) > 1 else ""),
            Fact("Assets", count(len(interface.assets), "file") if interface.assets else ""),
            Fact("Attached", ", ".join(interface.attachments)),
            Fact("Regularizers", str(interface.regularization_losses or "")),
            Fact("Graph", interface.op_types),
        ]
    found += [Fact("Licence", described.card.license)]
    found += [Fact("Trained on", ", ".join(described.card.datasets))]
    return [fact for fact in found if fact.text]


def _prefixed(prefix: str, text: str) -> str:
    return f"{prefix}{text}" if text else ""


def _versions(model: Model, current: int, dates: Mapping[int, datetime.datetime]) -> tuple[VersionRow, ...]:
    return tuple(
        VersionRow(
            number,
            path_of(model.name, number),
            day(dates[number]) if number in dates else "",
            is_current=number == current,
            is_newest=number == model.newest,
            is_removed=number in model.removed,
        )
        for number in sorted((*model.versions, *model.removed), reverse=True)
    )
