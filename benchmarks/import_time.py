"""``import rehub`` takes at most 100 ms and 0.05 of ``import tensorflow_hub``, and loads nothing heavy."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping

from benchmarks.measuring import Measurement, Setting, interleave, run

TITLE = "Import"
TELLING = "rehub / tensorflow_hub"
METHOD = 'Whole runs of `python -c "import …"` less those of `python -c pass` of the same Python.'
_HEAVY = "import rehub, sys; print(len({'tensorflow', 'keras', 'numpy'} & sys.modules.keys()))"


def measure(setting: Setting) -> list[Measurement]:
    contenders = {
        "rehub": functools.partial(_time, [sys.executable], "import rehub"),
        "bare": functools.partial(_time, [sys.executable], "pass"),
        "peer": functools.partial(_time, setting.peer, "import tensorflow_hub"),
        "peer bare": functools.partial(_time, setting.peer, "pass"),
    }
    interleave(contenders, 1)  # compiles bytecode, fills the cache of the disk
    runs = interleave(contenders, setting.rounds_or(9))
    ours = [a["ms"] - b["ms"] for a, b in zip(runs["rehub"], runs["bare"], strict=True)]
    theirs = [a["ms"] - b["ms"] for a, b in zip(runs["peer"], runs["peer bare"], strict=True)]
    heavy = run([sys.executable, "-c", _HEAVY])
    peer = Measurement("", theirs)
    return [
        Measurement("import rehub", ours, "ms", limit=100),
        Measurement(
            "rehub / tensorflow_hub",
            [a / b for a, b in zip(ours, theirs, strict=True)],
            limit=0.05,
            detail=f"tensorflow_hub {peer.median:.0f} ms",
        ),
        Measurement("of TensorFlow, Keras and numpy, loaded by it", [float(heavy)], "modules", limit=0),
    ]


def _time(python: list[str], code: str) -> Mapping[str, float]:
    start = time.perf_counter()
    run([*python, "-c", code])
    return {"ms": (time.perf_counter() - start) * 1000}
