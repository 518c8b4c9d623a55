"""kagglehub and huggingface_hub, fetching from a server on this machine into ``TFHUB_CACHE_DIR``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable

_home = tempfile.TemporaryDirectory(prefix="rehub-downloaders-")


def kagglehub(server: str) -> Callable[[str], str]:
    """Returns what resolves ``OWNER/MODEL/FRAMEWORK/VARIATION/VERSION`` by kagglehub.

    Besides Kaggle's own it knows ``http://localhost``, on port 80, so the server passes for the proxy to that. (In its
    environment "TEST" it knows port 7777, but there it reads each answer into memory, to print it.)
    """
    _forget_the_user()
    os.environ.update(KAGGLE_API_ENVIRONMENT="LOCALHOST", http_proxy=server, KAGGLEHUB_VERBOSITY="error")
    os.environ["TQDM_DISABLE"] = "1"
    from kagglehub import model_download

    def resolve(handle: str) -> str:
        os.environ["KAGGLEHUB_CACHE"] = os.environ["TFHUB_CACHE_DIR"]
        folder: str = model_download(handle)
        return folder

    return resolve


def huggingface_hub(server: str) -> Callable[[str], str]:
    """Returns what resolves ``OWNER/MODEL`` by huggingface_hub."""
    _forget_the_user()
    os.environ.update(HF_ENDPOINT=server, HF_HOME=_home.name, HF_HUB_DISABLE_TELEMETRY="1")
    os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
    from huggingface_hub import snapshot_download

    def resolve(handle: str) -> str:
        folder: str = snapshot_download(handle, cache_dir=os.environ["TFHUB_CACHE_DIR"])
        return folder

    return resolve


def _forget_the_user() -> None:
    """Lets neither credentials nor settings nor proxies of the user in. Both libraries read them when imported."""
    for name in list(os.environ):
        if name.upper().startswith(("KAGGLE", "HF_", "HUGGING")) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    os.environ["HOME"] = _home.name
