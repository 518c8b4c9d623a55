"""Guess the programming language of your own files with a model that was exported by TensorFlow 1's Estimator.

    pip install --no-deps guesslang==2.2.1
    python examples/guess_languages.py [FOLDER]

FOLDER is this project unless you name another one. The package guesslang (MIT) carries the model as a SavedModel; its
own code pins an old TensorFlow and is not used. Such a model cannot be called, it has signatures: ``KerasLayer`` calls
the one named "classification", which takes the contents of files and gives 54 languages with a score for each.

The table has, for each language by its file extension, how many files were taken for it. The picture
examples-output/guess_languages/confusion.png shows what the others were taken for.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import quiet  # noqa: F401 - hides what TensorFlow prints while it starts
import tensorflow as tf
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

import rehub as hub

OUTPUT = Path("examples-output/guess_languages")
PROJECT = Path(__file__).parents[1]
MOST_FILES, BATCH = 200, 32  # of each language; at a time
SIZES_BYTES = range(200, 200_000)  # shorter files say too little
# guesslang's list has one extension for each language. Not here: .h, which is both C and C++.
OTHERS = {"cc": "C++", "hpp": "C++", "htm": "HTML", "pyi": "Python", "yml": "YAML", "mjs": "JavaScript"}


def find_model() -> tuple[Path, dict[str, str]]:
    """Returns the folder of guesslang's model, and languages by file extension.

    Raises:
        DependencyError: If guesslang is not installed.
    """
    found = importlib.util.find_spec("guesslang")
    if found is None or found.origin is None:
        raise hub.errors.DependencyError(
            "This example uses the model of the package guesslang, which is not installed.",
            hint="Run: pip install --no-deps guesslang==2.2.1",
            package="guesslang",
        )
    data = Path(found.origin).parent / "data"
    languages = json.loads((data / "languages.json").read_text(encoding="utf-8"))
    return data / "model", {extension: name for name, extension in languages.items()} | OTHERS


def find_files(folder: Path, languages: dict[str, str]) -> list[Path]:
    """Returns files whose extension tells their language, spread over the folder, none of them in a hidden one."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        language = languages.get(path.suffix[1:].lower())
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if language and not hidden and path.is_file() and path.stat().st_size in SIZES_BYTES:
            files.setdefault(language, []).append(path)
    return [path for found in files.values() for path in found[:: -(-len(found) // MOST_FILES)]]


def guess(layer: Any, files: list[Path]) -> list[str]:
    """Returns the extension of the likeliest language of each file, as the model says it."""
    guesses = []
    for start in track(range(0, len(files), BATCH), "Guessing", transient=True):
        contents = [path.read_bytes() for path in files[start : start + BATCH]]
        outputs = layer(tf.constant(contents))
        best = np.argmax(outputs["scores"], axis=1)
        guesses += [name.decode() for name in outputs["classes"].numpy()[range(len(best)), best]]
    return guesses


def draw(pairs: Counter[tuple[str, str]]) -> None:
    """Writes the picture: a row for each language that there is, a column for each that was guessed."""
    rows = sorted({truth for truth, _ in pairs})
    columns = rows + sorted({guessed for _, guessed in pairs} - set(rows))
    counts = np.array([[pairs[row, column] for column in columns] for row in rows])
    figure = Figure(figsize=(2.6 + 0.46 * len(columns), 2.4 + 0.46 * len(rows)))
    axes = figure.subplots()
    axes.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="guessed", ylabel="by file extension")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = count > 0.5 * counts[row].sum()
            axes.text(column, row, count, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    figure.savefig(OUTPUT / "confusion.png", dpi=120, bbox_inches="tight")


def main(folder: Path) -> None:
    """Guesses the languages of a folder's files, prints the table and draws the picture."""
    model, languages = find_model()
    files = find_files(folder, languages)
    if not files:
        raise hub.errors.NotFoundError(f"{folder} has no source files.", hint="Name a folder that has some.")
    layer = hub.KerasLayer(str(model), signature="classification", signature_outputs_as_dict=True)
    truths = [languages[path.suffix[1:].lower()] for path in files]
    guesses = [languages[extension] for extension in guess(layer, files)]
    pairs = Counter(zip(truths, guesses, strict=True))

    table = Table("language", "files", "right", "", "otherwise taken for", title=f"Files of {folder}")
    for language, count in Counter(truths).most_common():
        wrong = [(name, n) for (truth, name), n in pairs.most_common() if truth == language != name]
        right = pairs[language, language]
        listed = ", ".join(f"{name} ({n})" for name, n in wrong[:3]) + (", …" if len(wrong) > 3 else "")
        table.add_row(language, str(count), str(right), f"{right / count:.0%}", listed)
    right = sum(count for (truth, name), count in pairs.items() if truth == name)
    table.add_section()
    table.add_row("all", str(len(files)), str(right), f"{right / len(files):.0%}", "")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    draw(pairs)
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print(f"What was taken for what: {OUTPUT / 'confusion.png'}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT)
    except hub.errors.HubError as error:
        sys.exit(str(error))
