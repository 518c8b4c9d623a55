"""Processes that are killed while they publish into a folder: what they were at goes on, and nothing else stays."""

from __future__ import annotations

import faulthandler
import random
import shutil
import signal
from pathlib import Path

import pytest

from rehub.server.commit import commit
from rehub.server.gc import collect
from rehub.server.library import Library
from rehub.server.removal import remove
from rehub.server.uploads import Uploads
from rehub.storage.folder import FolderStore
from tests.faults import children
from tests.server import publishing
from tests.server.publishing import LATER, NAME, check_whole, files_with, keys, keys_of

ENOUGH = 3000  # no commit has so many steps

every_step = pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow, id="every"), 53])


def _publish_and_remove(root: Path, step: int) -> None:
    """Publishes a second version and removes the first, and is killed on the way."""
    faulthandler.dump_traceback_later(30, exit=True)
    library = Library(FolderStore(root))
    children.at_step(step, lambda: children.kill(root))
    content = publishing.begin(Uploads(library))
    commit(Uploads(library), NAME, None, content, by="tester")
    remove(library, NAME, 1, "x")
    children.at_step(0, lambda: None)


@every_step
def test_publishing_goes_on_at_whichever_step_a_process_was_killed(tmp_path: Path, every: int) -> None:
    root, begun = tmp_path / "store", tmp_path / "begun"
    begun.mkdir()
    publishing.publish(Uploads(Library(FolderStore(begun))), files_with(b"1"))
    removed = {"acme/net/1/manifest.json", "acme/net/1/tombstone.json"}
    killed = 0
    for step in range(1 + random.Random(every).randrange(every), ENOUGH, every):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(begun, root)
        process = children.CONTEXT.Process(target=_publish_and_remove, args=(root, step))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1

        store = FolderStore(root)
        model = Library(store).find(NAME)
        assert model is not None
        assert (model.versions, model.removed) in (((1,), ()), ((1, 2), ()), ((2,), (1,)))
        if 2 in model.versions:
            check_whole(store, 2)
        if 1 in model.versions:
            check_whole(store, 1, files_with(b"1"))
        publishing.publish(Uploads(Library(store)))
        remove(Library(store), NAME, 1, "x")
        check_whole(store, 2)
        collect(Library(store), now=LATER)
        assert keys(store) == removed | keys_of(NAME, 2)
    assert killed > 3
