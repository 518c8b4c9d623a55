"""A model that comes as an archive, block by block, or by way of an unversioned URL; and what a cache folder holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import rehub
from tests import sample
from tests.manifests import FILES, Hub
from tests.misbehaving import Answer, Request

ARCHIVE = sample.archive(FILES)
KINDS = {"archive": "/acme/net/1", "manifest": "/acme/net/1", "newest": "/acme/net"}
"""How the model comes, to the path of its URL."""


def answering(kind: str) -> Callable[[Request], Answer]:
    """Makes a step of a server for one of `KINDS`."""
    hub = Hub()

    def answer(request: Request) -> Answer:
        if request.target.startswith("/acme/net?"):
            return Answer(status=302, headers={"Location": request.target.replace("net?", "net/1?")})
        return Answer(ARCHIVE, headers={"ETag": '"archive"'}) if kind == "archive" else hub(request)

    return answer


def everything(folder: Path) -> set[str]:
    """Returns the name of every file below a folder, and of every folder with a ``/`` at its end."""
    return {path.relative_to(folder).as_posix() + "/" * path.is_dir() for path in folder.rglob("*")}


def is_model(path: str | Path) -> bool:
    """Whether a folder holds the model. Not for pytest to compare, which would look for hours at what differs."""
    return sample.read(path) == FILES


def check_whole(url: str, cache: Path, undisturbed: set[str]) -> None:
    """Resolves, waiting for nobody, and checks all that is there then.

    Args:
        url: The handle.
        cache: The cache folder, of the settings in force.
        undisturbed: What is there after a download to which nothing happens, and what may be there at most.
    """
    with rehub.settings(lock_timeout_s=0):
        path = rehub.resolve(url)
    assert is_model(path)
    assert everything(cache) <= undisturbed
    with rehub.settings(offline=True):
        assert rehub.resolve(url) == path
