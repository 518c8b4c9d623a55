"""Each notebook runs, what comes out is what it has kept, and what its text says of that is so."""

from __future__ import annotations

import base64
import re
from math import isclose

import nbformat
import pytest

from scripts.run_notebooks import NOTEBOOKS, execute

# What the texts say of the results. This runs in the kernel of the notebook, after its last cell.
CLAIMS = {
    "text_classification": """
of_one_topic = [similar[0, 1], similar[2, 3], similar[4, 5]]
others = [similar[row, column] for row in range(6) for column in range(row // 2 * 2)]
assert min(of_one_topic) > np.mean(others) + 0.1, similar
right, learned = curves["val_accuracy"], curves["accuracy"]
assert right[20] > right[10] + 0.02 and learned[20] - right[20] > learned[10] - right[10] + 0.02, curves
assert confusion.sum() == 600 and (confusion.argmax(axis=1) == range(6)).all(), confusion
gap = scores.pivot_table("right", "labels", "head on").eval("embedding - `bag of words`")
assert gap[5] > 0.15 and gap[5] > gap[20] > gap[60] > 0, gap
assert not folder.exists()
""",
    "image_fine_tuning": """
after = {name: accuracies[-1] for name, accuracies in curves.items()}
assert after["head only"] > 0.6 and abs(after["head only"] - beginning[-1]) < 0.05, after
assert after["everything"] < beginning[-1] - 0.03, after
assert after["everything, kept statistics"] > after["head only"] + 0.05, after
assert after["last block, kept statistics"] > after["head only"] + 0.05, after
assert [len(models[name].trainable_weights) for name in ways] == [2, 52, 52, 13]
assert images.shape == test_images.shape == (160, 64, 64, 3) and vectors.shape == (160, 128)
assert not folder.exists()
""",
    "semantic_search": """
assert list(found["topic"][:9:3]) == ["graphs", "plots", "images"], found
assert "statistics" not in {*found["topic"][-3:], *by_words["topic"][-2:]}, (found, by_words)
assert built.size == done.rows == len(table) > 5000 and vectors.shape == (built.size, 48)
assert (shares.argmax(axis=1) == range(6)).all(), shares
means_of_all = same.mean()
assert means_of_all["by meaning"] > means_of_all["by words"] + 0.02 > means_of_all["by chance"] + 0.2, same
assert hit.mean() > 0.95, hit.mean()
assert not folder.exists()
""",
}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def _texts(notebook: nbformat.NotebookNode) -> list[str]:
    """What each output says, and the sizes of pictures; of cells whose texts vary, only what kinds there are."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = {"stream": output.get("text", "")} if output.output_type == "stream" else output.data
            varies = "varies" in cell.metadata.get("tags", [])
            text = "" if varies else data.get("text/html", data.get("text/plain", data.get("stream")))
            # The first bytes of a PNG have its width and height.
            size = base64.b64decode(data.get("image/png", ""))[:24].hex()
            found.append(f"{output.get('name', '')} {sorted(data)} {size} {' '.join(text.split())}")
    return found


def test_every_notebook_has_claims_that_are_checked() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(CLAIMS)


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_notebook_runs_and_comes_to_what_it_has_kept(name: str) -> None:
    path = NOTEBOOKS / f"{name}.ipynb"
    kept = nbformat.read(path, as_version=4)

    fresh = execute(path, afterwards=CLAIMS[name])

    assert [cell.source for cell in fresh.cells] == [cell.source for cell in kept.cells]
    for new, old in zip(_texts(fresh), _texts(kept), strict=True):
        assert _NUMBER.sub("#", new) == _NUMBER.sub("#", old)
        # Libraries of other versions have other docstrings, and other processors round otherwise.
        for number, before in zip(_NUMBER.findall(new), _NUMBER.findall(old), strict=True):
            assert isclose(float(number), float(before), rel_tol=0.1, abs_tol=0.1), (new, old)
