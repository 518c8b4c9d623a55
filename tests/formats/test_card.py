from __future__ import annotations

import contextlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehub.errors import DependencyError, FormatError
from rehub.formats.card import SIZE_LIMIT_BYTES, Card, card_of, read_card, write_card

WITH_FRONT_MATTER = b"""---
title: A net
description: >
  Tells
  cats from dogs.
task: image-classification
fine-tunable: yes
dataset: [imagenet, "another: one"]
language:
  - no
  - en
network-architecture: resnet
license: apache-2.0
asset-path: legacy
---

# A net
Text.
"""
OF_TFHUB = b"""# Module acme/net/3
Tells cats
from dogs.

<!-- asset-path: legacy -->
<!-- task: image-classification -->
<!-- dataset: imagenet -->
<!--   dataset: cats-and-dogs   -->
<!-- fine-tunable: true -->
<!-- format: hub -->

## Overview
Text. <!-- fine-tunable: false -->
"""

# Whatever YAML and Markdown give a meaning to, and some text. Lone surrogates are no text.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(
    ["no", "1", "~", "null", "---", "- a", "a: b", "#", "'", '"', "&a", "*a", "!!str", "{", "\n---\n", "a\r\nb", "\x85"]
)
LISTS = st.lists(TEXTS, max_size=3).map(tuple)
KEYS = st.from_regex(r"x-[a-z]{1,5}", fullmatch=True)
CARDS = st.builds(
    Card,
    kind=st.sampled_from(["module", "lite", "publisher"]),
    handle=TEXTS | st.just(""),
    title=TEXTS | st.just(""),
    description=TEXTS | st.just(""),
    tasks=LISTS,
    datasets=LISTS,
    languages=LISTS,
    architectures=LISTS,
    fine_tunable=st.sampled_from([None, True, False]),
    format=TEXTS | st.just(""),
    license=TEXTS | st.just(""),
    others=st.dictionaries(KEYS, LISTS, max_size=2),
    body=TEXTS.map(lambda text: text.replace("\r\n", "").strip("\r\n")),
)


def test_read_takes_front_matter_and_text_apart() -> None:
    assert read_card(WITH_FRONT_MATTER) == Card(
        title="A net",
        description="Tells cats from dogs.\n",
        tasks=("image-classification",),
        datasets=("imagenet", "another: one"),
        languages=("no", "en"),
        architectures=("resnet",),
        fine_tunable=True,
        license="apache-2.0",
        others={"asset-path": ("legacy",)},
        body="# A net\nText.",
    )


def test_read_takes_documents_of_tfhub_dev() -> None:
    assert read_card(OF_TFHUB) == Card(
        handle="acme/net/3",
        description="Tells cats from dogs.",
        tasks=("image-classification",),
        datasets=("imagenet", "cats-and-dogs"),
        fine_tunable=True,
        format="hub",
        others={"asset-path": ("legacy",)},
        body="## Overview\nText. <!-- fine-tunable: false -->",
    )


@pytest.mark.parametrize("kind", ["Placeholder", "Lite", "Tfjs", "Coral", "Collection", "Publisher"])
def test_read_tells_kinds_of_documents_apart(kind: str) -> None:
    found = read_card(f"# {kind} acme/net\nOne line.".encode())
    assert (found.kind, found.handle, found.description, found.body) == (kind.lower(), "acme/net", "One line.", "")


def test_read_takes_line_ends_and_marks_of_windows() -> None:
    assert read_card(b"\xef\xbb\xbf" + WITH_FRONT_MATTER.replace(b"\n", b"\r\n")) == read_card(WITH_FRONT_MATTER)


@given(CARDS)
def test_read_gives_what_was_written(card: Card) -> None:
    assert read_card(write_card(card)) == card


@given(CARDS)
def test_front_matter_is_all_but_the_text(card: Card) -> None:
    assert card_of(card.front_matter(), card.body) == card


def yaml(text: str) -> bytes:
    return f"---\n{text}\n---\ntext\n".encode()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "neither front matter nor"),
        (b"# My net\n", "neither front matter nor"),
        (b"# Model acme/net/1\n", "neither front matter nor"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"---\ntitle: a\n", "does not end"),
        (b"a" * (SIZE_LIMIT_BYTES + 1), "more than"),
        (yaml("a: " + "x" * 40_000), "more than 32768"),
        (yaml("- a"), "without keys"),
        (yaml("just a text"), "without keys"),
        (yaml("title: [a"), "no YAML"),
        (yaml("title: a\ntitle: b"), "twice"),
        (yaml("? [a]\n: b"), "no text"),
        (yaml("a b: c"), "the key 'a b'"),
        (yaml("title: [a, b]"), "2 values as 'title'"),
        (yaml("fine-tunable: maybe"), "'maybe' as 'fine-tunable'"),
        (yaml("kind: dog"), "the kind 'dog'"),
        (yaml("task: {a: b}"), "nested"),
        (yaml("task: [[a]]"), "nested"),
        (yaml("task: [a: b]"), "nested"),
        (yaml("a: &x [lol, lol]\nb: [*x, *x]"), "anchors"),
        (yaml("a: &x text"), "anchors"),
        (yaml("[" * 20_000), "nested"),
        (yaml(r'title: "\UFFFFFFFF"'), "no YAML"),
        (yaml(r'title: "\uD800"'), "no Unicode"),
        (yaml("task: [" + "a, " * 1001 + "a]"), "more than 1000 values"),
        (yaml("%YAML " + "9" * 5000 + ".1"), "YAML|key"),
    ],
)
def test_read_refuses_what_is_no_card(data: bytes, problem: str) -> None:
    with pytest.raises(FormatError, match=problem) as caught:
        read_card(data)
    assert caught.value.hint


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"---\n" + data + b"\n---\n"))
def test_read_raises_no_other_error_for_any_bytes(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        read_card(data)


@given(st.text(alphabet="-ab:[]{}&*!|>%@`#'\",?\n \t\\", max_size=40))
def test_read_raises_no_other_error_for_any_front_matter(text: str) -> None:
    with contextlib.suppress(FormatError):
        read_card(f"---\n{text}\n---\n".encode())


def test_tags_of_yaml_make_no_objects() -> None:
    assert read_card(yaml("title: !!python/object/apply:os.getcwd []\nlicense: !!int '1'")) == Card(
        license="1", body="text"
    )


@pytest.mark.parametrize("values", [{"task": 1}, {"task": [None]}, {"task": {"a": "b"}}, {1: "a"}, {"title": "\ud800"}])
def test_card_of_refuses_values_that_no_card_has(values: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        card_of(values)


def test_read_says_what_to_install_for_front_matter_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    written = write_card(Card(title="A net"))

    assert read_card(OF_TFHUB).handle == "acme/net/3"
    with pytest.raises(DependencyError, match=r"rehub\[publish\]"):
        read_card(written)
