"""Runs the notebooks and keeps in them what comes out. `make notebooks` runs it.

Usage: python scripts/run_notebooks.py [NOTEBOOK...], in the environment `scale`; without names, all in notebooks/.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import matplotlib.font_manager  # noqa: F401 - builds its cache here, which a notebook would report
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
TIME_LIMIT_S = 600  # of one cell
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path: Path, *, afterwards: str = "") -> nbformat.NotebookNode:
    """Runs a notebook in a kernel of its own, beside its file.

    Args:
        path: The notebook.
        afterwards: Code that runs last in that kernel, and is not kept.

    Returns:
        The notebook with what came out, and nothing that differs from one machine or run to the other.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(afterwards))
    with tempfile.TemporaryDirectory() as profile:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=TIME_LIMIT_S,
            coalesce_streams=True,
            record_timing=False,
            resources={"metadata": {"path": str(path.parent)}},
            config=Config(KernelManager={"transport_encryption": "auto"}),
        )
        client.execute(env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "IPYTHONDIR": profile})
    notebook.cells.pop()
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook


def main() -> None:
    """Runs the notebooks that are named, or all."""
    for path in [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
        print(path.name, flush=True)
        nbformat.write(execute(path), path)


if __name__ == "__main__":
    main()
