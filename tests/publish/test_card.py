"""Model cards that are written from models: what they say is so, and their snippets run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tensorflow as tf

from rehub.publish.card import HANDLE, card
from rehub.publish.text_embeddings import export_text_embeddings

DATA = Path(__file__).parents[1] / "data"
MODELS = [
    *(DATA / "saved_models" / name for name in ("functions", "keras2", "keras3", "module", "no_variables")),
    *(DATA / "saved_models" / name for name in ("graphs", "graphs_as_text")),
    DATA / "models" / "half_plus_two",
    *(DATA / "tf1_hub" / name for name in ("half_plus_two", "image", "rich", "text_vocab")),
]


def run(body: str, handle: str) -> str:
    """Runs the snippet of a card and returns it."""
    (code,) = re.findall(r"```python\n(.*?)```", body, re.DOTALL)
    exec(compile(code.replace("print(outputs)", "assert outputs is not None"), handle, "exec"), {})
    return code


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_snippet_runs(folder: Path) -> None:
    found = card(folder, published_as=str(folder))
    assert "print(outputs)" in run(found.body, str(folder))


def test_snippet_only_loads_a_model_whose_inputs_nobody_can_guess() -> None:
    folder = DATA / "saved_models" / "estimator"
    code = run(card(folder, published_as=str(folder)).body, str(folder))
    assert code.endswith(f'\nmodel = hub.load("{folder}")\n')


def test_snippet_shows_texts_and_the_handle_that_is_to_come(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("red 1 2\nblue 3 4\n")
    export_text_embeddings(tmp_path / "words.txt", tmp_path / "model", formats=["saved-model"])
    found = card(tmp_path / "model")

    assert f'model = hub.load("{HANDLE}")\noutputs = model(tf.constant(["a text", "and another one"]))\n' in found.body
    assert found.tasks == ("text-embedding",)
    assert found.fine_tunable is True
    assert "| assets | `vocabulary.txt` |" in found.body


def test_card_calls_a_model_by_its_name_on_the_hub() -> None:
    found = card(DATA / "tf1_hub" / "image", published_as="https://hub.invalid/acme/tiny-images/12")
    assert (found.title, found.format) == ("Tiny images", "hub")


def test_card_lists_what_can_be_called() -> None:
    body = card(DATA / "saved_models" / "functions").body
    assert "| `encoder.__call__(x)` | `(x: sparse float32[?, 4]) -> float32[?, ?]` |" in body
    assert "| variables | 2 variables," in body


def test_snippet_makes_images_of_a_usual_size_where_any_is_taken(tmp_path: Path) -> None:
    obj = tf.train.Checkpoint()
    images = tf.TensorSpec([None, None, None, 3], tf.float32)
    obj.__call__ = tf.function(lambda images: tf.nn.avg_pool2d(images, 64, 1, "VALID"), input_signature=[images])
    tf.saved_model.save(obj, str(tmp_path / "model"))

    code = run(card(tmp_path / "model", published_as=str(tmp_path / "model")).body, "snippet")
    assert "tf.zeros([2, 224, 224, 3], tf.float32)" in code
