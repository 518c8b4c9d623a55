"""The demonstration's picture: photographs with what was predicted for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehub.demo.photographs import Photographs

ROWS, COLUMNS = 4, 8
RIGHT, WRONG = "#2b6a4d", "#c0392b"


def save(
    path: Path,
    photographs: Photographs,
    by_pixels: NDArray[np.float32],
    by_features: NDArray[np.float32],
    seed: int,
) -> None:
    """Draws some photographs, each with both predictions, and writes a PNG.

    Args:
        path: The file.
        photographs: Those that were predicted.
        by_pixels: Probabilities of a face, ``[n]``, from the classifier on raw pixels.
        by_features: The same from the fine-tuned model.
        seed: Which photographs are drawn.
    """
    # Not pyplot: that chooses a backend for the whole process, and this writes a file only.
    from matplotlib.figure import Figure

    chosen = np.random.default_rng(seed).permutation(len(photographs))[: ROWS * COLUMNS]
    figure = Figure(figsize=(COLUMNS * 1.35, ROWS * 1.55 + 0.8), layout="constrained")
    figure.suptitle(
        f"{ROWS * COLUMNS} photographs that neither classifier was trained on, and how sure each is of a face.\n"
        "Left: from raw pixels. Right: from the fine-tuned model. Red: wrong.",
        fontsize=11,
    )
    for axes, index in zip(figure.subplots(ROWS, COLUMNS).flat, chosen, strict=True):
        axes.imshow(photographs.pixels[index], cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        is_face = bool(photographs.is_face[index])
        _write(axes, 0.02, "left", float(by_pixels[index]), is_face)
        _write(axes, 0.98, "right", float(by_features[index]), is_face)
    figure.savefig(path, dpi=130)


def _write(axes: Any, x: float, side: str, probability: float, is_face: bool) -> None:
    color = RIGHT if (probability > 0.5) == is_face else WRONG
    axes.text(
        x, -0.04, f"{probability:.0%}", transform=axes.transAxes, ha=side, va="top", color=color, fontsize=9.5,
        fontweight="bold" if color == WRONG else "normal",
    )  # fmt: skip
