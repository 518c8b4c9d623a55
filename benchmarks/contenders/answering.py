"""The loop of a contender: one JSON line of arguments in, one JSON line of measurements out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping


def answer(measure: Callable[..., Mapping[str, float]]) -> None:
    """Says that the setup is done, then measures once for each line on stdin, until that ends."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(dict(measure(**json.loads(line)))), file=answers, flush=True)
