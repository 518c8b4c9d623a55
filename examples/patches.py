"""Real images that need no download: small patches of photographs that come with scikit-image."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from skimage import data
from skimage.transform import resize

MATERIALS = {
    "bricks": data.brick,
    "grass": data.grass,
    "gravel": data.gravel,
    "tissue": data.immunohistochemistry,
    "print": data.page,
    "moon": data.moon,
    "coins": data.coins,
    "galaxies": data.hubble_deep_field,
}
PATCH, SIZE = 32, 64  # pixels: of a patch in the photograph, and of what the model takes
Patches: TypeAlias = "tuple[np.ndarray, np.ndarray]"
"""Images float32 ``[n, 64, 64, 3]`` in [0, 1], and the number of the material of each."""


def cut_patches(count: int, left: float, right: float, seed: int) -> Patches:
    """Cuts patches of each material at random places between two shares of the photograph's width."""
    random = np.random.default_rng(seed)
    images = []
    for photograph in MATERIALS.values():
        pixels = photograph().astype("float32") / 255
        pixels = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)
        height, width = pixels.shape[:2]
        for _ in range(count):
            y = random.integers(0, height - PATCH)
            x = random.integers(int(left * width), int(right * width) - PATCH)
            images.append(resize(pixels[y : y + PATCH, x : x + PATCH], (SIZE, SIZE), order=1))
    return np.stack(images).astype("float32"), np.repeat(np.arange(len(MATERIALS)), count)
