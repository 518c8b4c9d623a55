"""The examples of docs/settings.md run."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import rehub

TEXT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")


def test_examples_load_offline_and_give_settings_to_another_thread(hub_url: str, tmp_path: Path) -> None:
    first, second = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    with rehub.settings(mirrors={"https://tfhub.dev": hub_url}, cache_dir=tmp_path):
        rehub.resolve("https://tfhub.dev/google/nnlm-en-dim128/2")
    seen = []
    with ThreadPoolExecutor(1) as pool:
        names = {"pool": pool}
        exec(first.replace("/models", str(tmp_path)), names)
        exec(second.replace("...", "seen.append(settings.offline)"), {"rehub": rehub, "pool": pool, "seen": seen})

    assert names["model"](["a film"]).shape == (1, 128)
    assert seen == [True]
