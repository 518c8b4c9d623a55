"""Notebooks as pages of the site, with the outputs that they keep. Nothing is run.

They become Markdown, so that their links are checked, and their code and tables look as on all other pages.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

_TABLE = re.compile(r"<table.*</table>", re.DOTALL)
_STYLE = re.compile(r' (?:border|class|style)="[^"]*"')


def to_page(notebook: Path) -> tuple[str, dict[str, bytes]]:
    """Returns the page, and the pictures in it by their places beside it."""
    parts, pictures = [], {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                place = f"{notebook.stem}/{len(pictures) + 1}.png"
                pictures[place] = base64.b64decode("".join(output["data"]["image/png"]))
                parts.append(f"![{cell['metadata']['alt']}]({place})")
            else:
                parts.append(_to_markdown(output))
    title, *rest = parts
    heading, _, text = title.partition("\n")
    download = f'<a href="../{notebook.name}" download>Download this notebook</a>, or see [how to run it](README.md).'
    return "\n\n".join([heading, download, text, *rest]), pictures


def _to_markdown(output: dict[str, Any]) -> str:
    """A table or a text; what else a notebook might show ends the build with a KeyError."""
    html = "".join(output.get("data", {}).get("text/html", ""))
    if html:
        return "\n".join(_STYLE.sub("", table) for table in _TABLE.findall(html))
    text = "".join(output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"])
    return f"``` {{ .text .output .no-copy }}\n{text.rstrip()}\n```"
