"""What resolvers need of a store of models, wherever that is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Protocol

from rehub.formats.record import Latest, Record


class ModelStore(Protocol):
    """A store of models; see `rehub.cache.store.Store` for what each of these does.

    Attributes:
        root: The folder on this machine in which models are made; blocks of models are looked for there.
    """

    root: Path

    def path(self, leaf: PurePosixPath) -> str:
        """Returns the folder of a model, whether it is there or not."""

    def find(self, leaf: PurePosixPath, location: str) -> Record | None:
        """Returns the record of a model whose files are all there, each of its size, else None."""

    def latest(self, folder: PurePosixPath, location: str) -> Latest | None:
        """Returns what an unversioned handle stood for when it was last asked, None if that is not known."""

    def point(self, folder: PurePosixPath, latest: Latest) -> None:
        """Notes what an unversioned handle stands for."""

    def forget_lost(self, folder: PurePosixPath, location: str) -> None:
        """Removes the note of what an unversioned handle stands for if that is not whole."""

    def lock(self, path: PurePosixPath, is_done: Callable[[], bool] = ...) -> AbstractContextManager[None]:
        """Keeps others from making the same model."""

    def staging(self, path: PurePosixPath) -> AbstractContextManager[Path]:
        """Gives an empty folder of this machine, and removes it with all that is still in it."""

    def resumable(self, path: PurePosixPath, digest: str) -> AbstractContextManager[Path]:
        """Gives the folder of this machine in which the same content was begun before, else an empty one."""

    def install(self, folder: Path, leaf: PurePosixPath, record: Record, manifest: bytes | None = None) -> str:
        """Brings a whole model from its staging folder to its place, and returns that."""
