"""``rehub slim``: slim copies of models, without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rehub as hub
from tests.cli import command

DATA = Path(__file__).parents[1] / "data"
KERAS = DATA / "saved_models" / "keras2"


def test_slim_writes_a_smaller_program_beside_the_same_values(cache: Path) -> None:
    target = cache.with_name("slim")

    code, out, err = command.run(cache, "slim", KERAS, target)
    whole, slim = command.files(KERAS), command.files(target)

    assert (code, out) == (0, f"{target}\n")
    assert "functions: " in err
    assert len(slim["saved_model.pb"]) < len(whole["saved_model.pb"])
    assert set(whole) - set(slim) == {"fingerprint.pb", "keras_metadata.pb"} & set(whole)
    assert all(slim[name] == content for name, content in whole.items() if name.startswith(("variables/", "assets/")))


def test_slim_copy_has_the_same_interface(cache: Path) -> None:
    target = cache.with_name("slim")
    command.run(cache, "slim", KERAS, target)
    whole, slim = (hub.inspect(str(folder)) for folder in (KERAS, target))

    assert slim.meta_graphs[0].signatures == whole.meta_graphs[0].signatures
    kept = {function.path: function for function in slim.meta_graphs[0].functions}
    assert str(kept["__call__"]) == str(next(f for f in whole.meta_graphs[0].functions if f.path == "__call__"))


def test_slim_of_a_slim_copy_changes_nothing(cache: Path) -> None:
    once, twice = cache.with_name("once"), cache.with_name("twice")
    command.run(cache, "slim", KERAS, once)

    assert command.run(cache, "slim", once, twice)[0] == 0
    assert command.files(twice) == command.files(once)


def test_slim_keeps_what_is_named(cache: Path) -> None:
    target = cache.with_name("slim")

    code, out, _ = command.run(cache, "slim", DATA / "saved_models/module", target, "--only", "both", "--json")
    facts = json.loads(out)

    assert code == 0
    assert facts["folder"] == str(target)
    assert "__call__" in facts["left_out"]
    assert [f.path for f in hub.inspect(str(target)).meta_graphs[0].functions] == ["both"]


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("saved_models/module", ["--only", "nothing"], "has no 'nothing'"),
        ("saved_models/graphs", [], "comes from TensorFlow 1"),
        ("tf1_hub/half_plus_two", [], "comes from TensorFlow 1"),
        ("saved_models", [], "holds no SavedModel"),
    ],
)
def test_slim_writes_nothing_when_it_cannot(cache: Path, model: str, options: list[str], message: str) -> None:
    target = cache.with_name("slim")

    code, out, err = command.run(cache, "slim", DATA / model, target, *options)

    assert (code, out) == (1, "")
    assert message in err
    assert not target.exists()


def test_slim_replaces_nothing(cache: Path) -> None:
    target = cache.with_name("slim")
    target.mkdir()
    (target / "mine").write_text("mine")

    code, _, err = command.run(cache, "slim", KERAS, target)

    assert code == 1
    assert "not an empty folder" in err
    assert command.everything(target) == {"mine"}


def test_slim_refuses_a_place_inside_of_the_model(cache: Path) -> None:
    model = cache.with_name("model")
    command.run(cache, "slim", KERAS, model)

    code, _, err = command.run(cache, "slim", model, model / "slim")

    assert code == 1
    assert "inside of the model" in err
