"""What the notebooks keep can be read by anybody, says nothing of the machine that ran them, and has its place."""

from __future__ import annotations

import base64
import json
import platform
import re
from pathlib import Path
from typing import Any

import pytest

from tests.documentation.pages import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 400_000  # bytes

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _code(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in _read(path)["cells"] if cell["cell_type"] == "code"]


def _outputs(path: Path) -> list[dict[str, Any]]:
    return [output for cell in _code(path) for output in cell["outputs"]]


def test_all_cells_ran_in_their_order_without_errors_or_warnings(path: Path) -> None:
    assert [cell["execution_count"] for cell in _code(path)] == list(range(1, len(_code(path)) + 1))
    assert {output["output_type"] for output in _outputs(path)} == {"stream", "execute_result", "display_data"}
    assert {output["name"] for output in _outputs(path) if output["output_type"] == "stream"} == {"stdout"}


def test_file_is_small_and_has_nothing_of_one_run_or_machine(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    notebook = _read(path)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert {key for cell in notebook["cells"] for key in cell["metadata"]} <= {"alt", "tags"}
    texts = [
        value
        for output in _outputs(path)
        for value in (
            output.get("text", ""),
            *(output.get("data", {}).get(f"text/{kind}", "") for kind in ("plain", "html")),
        )
    ]
    said = "\n".join("".join(text) for text in texts)
    assert platform.node() not in said
    assert (
        re.findall(r"(?:/(?:home|root|tmp|usr|Users|private|var|opt)/|[A-Z]:\\|127\.0\.0\.1|localhost).*", said) == []
    )


def test_pictures_are_png_and_described(path: Path) -> None:
    pictures = 0
    for cell in _code(path):
        shown = [output["data"]["image/png"] for output in cell["outputs"] if "image/png" in output.get("data", {})]
        assert len(shown) == ("alt" in cell["metadata"])
        for data in shown:
            assert base64.b64decode("".join(data)).startswith(b"\x89PNG\r\n")
            assert len(cell["metadata"]["alt"]) > 40
            pictures += 1
    assert pictures >= 3


def test_links_lead_to_files_of_the_repository(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in _read(path)["cells"] if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) >= 5
    assert [link for link in links if not (path.parent / link).is_file()] == []


def test_notebook_is_listed_and_has_a_page(path: Path) -> None:
    title = "".join(_read(path)["cells"][0]["source"]).partition("\n")[0].removeprefix("# ")
    assert f"[{title}]({path.name})" in (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert f"{title}: notebooks/{path.stem}.md" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
