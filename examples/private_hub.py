"""A team's private hub: publish by copying a folder, let in who has a token, pin the model, work offline.

    python examples/private_hub.py

A hub serves a folder of models on this machine, to those alone who have a token that its operator made for them. The
example loads a model without a token, with a wrong one and with the right one, which comes from the settings (in
production: the variables REHUB_TOKEN and REHUB_TOKEN_HOST) or from the file to which ``rehub login`` writes. Then the
hub is stopped, and the model is loaded from the cache, also by a handle pinned to its contents.

The table says what was tried and what came of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import quiet  # noqa: F401 - hides what TensorFlow prints while it starts
from rich.console import Console
from rich.table import Table

import rehub as hub
from rehub.server import EmbeddedHub
from rehub.server.options import HubOptions

MODEL = Path(__file__).parents[1] / "src/rehub/demo/hub/rehub/face-features/1"


def run_rehub(*arguments: str, environment: dict[str, str], text: str = "") -> str:
    """Runs the command line as in a terminal, with some text on its standard input, and returns what it prints."""
    command = [sys.executable, "-m", "rehub", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, input=text, capture_output=True, text=True, check=True).stdout


def load(handle: str) -> str:
    """Loads a model, uses it and says what it gave."""
    features = hub.load(handle)(np.zeros((1, 64, 64, 3), "float32"))
    return f"loaded: {features.shape[1]} features"


def main() -> None:
    """Takes all steps in order and prints the table."""
    steps = Table("step", "", "what happened", title="A private hub; HUB stands for its URL")

    def attempt(step: str, action: Callable[[str], str], handle: str, **settings: Any) -> None:
        try:
            with hub.settings(**settings):
                steps.add_row(step, "ok", action(handle))
        except hub.errors.HubError as error:
            message = re.sub("([0-9a-f]{8})[0-9a-f]{56}", r"\1…", str(error).replace(url, "HUB").replace(scratch, ""))
            steps.add_row(step, "refused", f"{type(error).__name__}: {message}")

    with tempfile.TemporaryDirectory() as scratch:
        team, credentials = Path(scratch) / "models", Path(scratch) / "credentials.json"
        shutil.copytree(MODEL, team / "vision/faces/1")
        steps.add_row("publish", "ok", "copied to models/vision/faces/1")
        who = ("our team", "--publisher", "vision", "--read-only")
        secret = run_rehub("serve", "token", "create", *who, "--store", str(team), environment={}).strip()
        with hub.settings(cache_dir=f"{scratch}/cache", credentials_file=str(credentials), show_progress=False):
            with EmbeddedHub(team, options=HubOptions(is_private=True)) as served:
                url = served.url
                handle = f"{url}/vision/faces/1"
                attempt("no token", load, handle)
                attempt("wrong token", load, handle, token="guessed", token_host=url)
                attempt("token for another host", load, handle, token=secret, token_host="https://hub.example.com")
                attempt("REHUB_TOKEN", load, handle, token=secret, token_host=url)
                run_rehub("login", url, environment={"REHUB_CREDENTIALS_FILE": str(credentials)}, text=secret)
                attempt("rehub login, empty cache", load, handle, cache_dir=f"{scratch}/second-cache")
                attempt("a version that is not there", load, f"{url}/vision/faces/2")
            attempt("hub stopped, from the cache", load, handle, offline=True)
            shown = run_rehub("cache", "show", handle, "--json", environment={"TFHUB_CACHE_DIR": f"{scratch}/cache"})
            pin = json.loads(shown)[0]["pin"]
            attempt("pinned, from the cache", load, f"{handle}#sha256={pin}", offline=True)
            attempt("pinned to something else", load, f"{handle}#sha256={'0' * 64}", offline=True)
            attempt("another version, offline", load, f"{url}/vision/faces/2", offline=True)
    Console(highlight=False).print(steps)


if __name__ == "__main__":
    main()
