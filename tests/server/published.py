"""Models of the test data on a hub."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

from rehub.server.library import Library
from rehub.server.uploads import Uploads
from rehub.storage.folder import FolderStore
from tests.server.publishing import publish

DATA = Path(__file__).parents[1] / "data"
CREATED = datetime.datetime(2026, 5, 3, 10, tzinfo=datetime.timezone.utc)


def put_plain(root: Path, name: str, model: str, card: str = "") -> Path:
    """Copies a model of the test data, by its path there, to the place of a version."""
    shutil.copytree(DATA / model, root / name)
    if card:
        (root / name / "card.md").write_text(card, encoding="utf-8")
    return root / name


def put_published(root: Path, name: str, model: str, card: str = "") -> None:
    """Publishes a model of the test data as the version that the name ends in."""
    folder = DATA / model
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    name, _, number = name.rpartition("/")
    uploads = Uploads(Library(FolderStore(root)))
    publish(uploads, files, name, int(number), card=card.encode() if card else None, now=CREATED)


def put_tombstone(root: Path, name: str, reason: str) -> None:
    """Leaves what is left of a version that an operator removed."""
    (root / name).mkdir(parents=True, exist_ok=True)
    values = {"reason": reason, "removed": CREATED.isoformat()}
    (root / name / "tombstone.json").write_text(json.dumps(values), encoding="utf-8")


def card_text(body: str = "", **values: str) -> str:
    """A card; underscores in keys stand for hyphens."""
    lines = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in values.items())
    return f"---\n{lines}---\n\n{body}\n"
