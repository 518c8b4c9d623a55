from __future__ import annotations

import json
from pathlib import Path

import pytest

from rehub import __version__
from tests.migrate import code

NOTEBOOK = """{
 "cells": [
  {"cell_type": "markdown", "metadata": {}, "source": ["# Über tensorflow_hub\\n", "text"]},
  {
   "cell_type": "code",
   "execution_count": 3,
   "metadata": {"id": "a"},
   "outputs": [{"name": "stdout", "output_type": "stream", "text": ["tensorflow_hub\\n"]}],
   "source": [
    "%matplotlib inline\\n",
    "!pip install -q tensorflow-hub==0.12.0 \\u0026\\u0026 ls\\n",
    "import tensorflow as tf\\n",
    "import tensorflow_hub as hub\\n",
    "# \\u0041nd more\\n",
    "files = !ls"
   ]
  },
  {"cell_type": "code", "metadata": {}, "source": "%%bash\\npip3 install tensorflow_hub\\n", "outputs": []},
  {"cell_type": "code", "source": ["%%time\\n", "embed = hub.Module(\\"h\\")\\n", "tf.keras\\n", "embed(x)?"]},
  {"cell_type": "code", "metadata": {}, "source": ["y = embed(x, as_dict=True)  # \\u00fc\\n", "%timeit embed(x)\\n"]}
 ],
 "metadata": {"kernelspec": {"name": "python3"}},
 "nbformat": 4, "nbformat_minor": 0}
"""


def test_migrate_changes_nothing_of_a_notebook_but_its_code(tmp_path: Path) -> None:
    after = code.after(tmp_path, NOTEBOOK, "a.ipynb")

    assert after == (
        NOTEBOOK.replace("-q tensorflow-hub==0.12.0", f"-q rehub=={__version__}")
        .replace("pip3 install tensorflow_hub", "pip3 install rehub")
        .replace("import tensorflow_hub", "import rehub")
        .replace(r"Module(\"h\")", r"KerasLayer(\"h\", signature_outputs_as_dict=True)")
        .replace("embed(x, as_dict=True)", "embed(x)")
    )


def test_migrate_changes_nothing_of_a_notebook_in_a_second_run(tmp_path: Path) -> None:
    once = code.after(tmp_path, NOTEBOOK, "a.ipynb")

    assert not code.examine(tmp_path, once, "a.ipynb").is_changed


def test_migrate_places_findings_in_cells(tmp_path: Path) -> None:
    report = code.examine(tmp_path, NOTEBOOK, "a.ipynb")

    assert [(it.cell, it.line, it.code) for it in report.findings if it.kind != "works"] == [
        (2, 2, "M501"),
        (2, 4, "M101"),
        (3, 2, "M501"),
        (4, 2, "M202"),
    ]
    assert report.place(report.findings[0]).endswith("a.ipynb:cell 2:2")


def notebook(*sources: object) -> str:
    cells = [{"cell_type": "code", "metadata": {}, "source": source, "outputs": []} for source in sources]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4})


def sources(text: str) -> list[object]:
    return [cell["source"] for cell in json.loads(text)["cells"]]


def test_migrate_goes_on_after_a_cell_that_is_no_python(tmp_path: Path) -> None:
    report = code.examine(tmp_path, notebook("print 'old'", "import tensorflow_hub"), "a.ipynb")

    assert [(it.cell, it.code) for it in report.findings] == [(1, "M901"), (2, "M101")]
    assert sources(report.after) == ["print 'old'", "import rehub"]


def test_migrate_adds_lines_to_a_cell(tmp_path: Path) -> None:
    cell = ["import tensorflow as tf\n", "import tensorflow_hub as hub"]
    after = code.after(tmp_path, notebook(cell, ["tf.Session()"]), "a.ipynb")

    assert sources(after)[0] == [
        "import tensorflow.compat.v1 as tf\n",
        "import rehub as hub\n",
        "\n",
        "tf.disable_v2_behavior()",
    ]


def test_migrate_leaves_other_languages_alone(tmp_path: Path) -> None:
    text = notebook("%%writefile a.py\nimport tensorflow_hub\n", "%%html\n<b>tensorflow_hub</b>")

    assert code.examine(tmp_path, text, "a.ipynb").findings == ()


def test_migrate_keeps_text_that_looks_like_a_command(tmp_path: Path) -> None:
    cell = 'import tensorflow_hub\ntext = """\n!ls\n%s\n""" \nx = 5 \\\n% 3\n'

    assert sources(code.after(tmp_path, notebook(cell), "a.ipynb")) == [cell.replace("tensorflow_hub", "rehub")]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"worksheets": []}', '{"cells": [1]}', "tensorflow_hub", '{"cells": 3}']
)
def test_migrate_tells_of_a_file_that_is_no_notebook(text: str, tmp_path: Path) -> None:
    (finding,) = code.examine(tmp_path, f"{text} tensorflow_hub", "a.ipynb").findings

    assert (finding.code, finding.kind) == ("M901", "failed")
