"""What pages show of trying models; nothing is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehub.formats import schema
from rehub.server.library import Library
from rehub.server.pages import Pages
from rehub.server.trial_outcome import Classes, Failure, Features, Outcome, Similarities
from rehub.server.views_trial import Tried
from rehub.storage.folder import FolderStore
from tests.server.html_page import HtmlPage
from tests.server.published import card_text, put_plain

TEXTS, IMAGES = "saved_models/module", "tf1_hub/image"


def page(root: Path, outcome: Outcome | None = None, text: str = "", *, has_trials: bool = True) -> HtmlPage:
    library = Library(FolderStore(root))
    model = library.find("acme/net")
    assert model is not None
    tried = Tried(outcome, text, tuple(text.splitlines())) if outcome else None
    return HtmlPage(Pages(library, has_trials=has_trials).model(model, None, "http://h/", tried) or "")


def actions(found: HtmlPage) -> list[str | None]:
    return [form["action"] for form in found.named("form") if form["method"] == "post"]


def test_model_page_has_a_form_only_where_models_can_be_tried(tmp_path: Path) -> None:
    put_plain(tmp_path, "acme/net/1", TEXTS)

    assert actions(page(tmp_path)) == ["/acme/net/1?try-it#try"]
    assert actions(page(tmp_path, has_trials=False)) == []


def test_model_page_says_why_a_model_is_not_tried(tmp_path: Path) -> None:
    path = put_plain(tmp_path, "acme/net/1", TEXTS) / "saved_model.pb"
    model = schema.parse("tensorflow.SavedModel", path.read_bytes())
    model.meta_graphs[0].graph_def.node.add(name="read", op="ReadFile")
    path.write_bytes(model.SerializeToString())

    found = page(tmp_path)

    assert "This hub runs no model that reaches out of itself, and this one does: ReadFile." in found.words
    assert actions(found) == []


def test_model_page_shows_what_was_typed_and_the_nearest_pair(tmp_path: Path) -> None:
    put_plain(tmp_path, "acme/net/1", TEXTS)
    matrix = ((1.0, 0.2, -0.4), (0.2, 1.0, 0.85), (-0.4, 0.85, 1.0))

    found = page(tmp_path, Similarities(matrix, 512, 0.0123), "<b>a\nb\nc")

    assert "Most alike are sentences 2 and 3, with 0.85." in found.words
    assert "The cosine of vectors of 512 numbers, made in 12 ms." in found.words
    assert "<b>a\nb\nc" in found.words
    shades = [cell["class"] for cell in found.named("td") if "shade" in (cell.get("class") or "")]
    assert shades[:3] == ["right shade10", "right shade2", "right shade0"]


@pytest.mark.parametrize(
    ("best", "are_logits", "words"),
    [
        (((2, "cat", 0.75), (0, "", 0.25)), True, ["cat (75.0 %)", "Class 0", "25.0 %", "the softmax of what"]),
        (((2, "<cat>", 0.999),), False, ["<cat> (99.9 %)"]),
    ],
)
def test_model_page_shows_classes(
    tmp_path: Path, best: tuple[tuple[int, str, float], ...], are_logits: bool, words: list[str]
) -> None:
    put_plain(tmp_path, "acme/net/1", IMAGES, card_text(task="image-classification"))

    found = page(tmp_path, Classes(best, 1000, are_logits, b"\xff\xd8", 1.25))

    assert [word for word in words if word not in found.words] == []
    assert ("softmax" in found.words) == are_logits
    assert "of 1,000 classes" in found.words
    assert "found in 1.2 s" in found.words
    assert [image["src"] for image in found.named("img")] == ["data:image/jpeg;base64,/9g="]


def test_model_page_shows_a_vector(tmp_path: Path) -> None:
    put_plain(tmp_path, "acme/net/1", IMAGES, card_text(task="image-feature-vector"))

    found = page(tmp_path, Features((0.5, -1.0, 0.0), 3, 1.118, b"", 0.0001))

    assert "A vector of 3 numbers; its norm is 1.12." in found.words
    assert "The first 3 numbers: 0.5, -1, 0" in found.words
    bars = [bar for bar in found.named("rect") if bar.get("width") == "0.8"]
    assert [(bar["y"], bar["height"], bar.get("class")) for bar in bars] == [
        ("15.0", "15.0", None),
        ("30.0", "30.0", "negative"),
        ("30.0", "0.3", None),
    ]


def test_model_page_shows_why_nothing_came_of_it(tmp_path: Path) -> None:
    put_plain(tmp_path, "acme/net/1", TEXTS)

    assert "It <failed>." in page(tmp_path, Failure("It <failed>."), "a").words
