"""What is to be done, as each worker gets it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from rehub.batch.fragments import Fragment
from rehub.batch.inputs import Inputs
from rehub.batch.options import Options
from rehub.configuration import Settings


@dataclasses.dataclass(frozen=True)
class Plan:
    """A model to be run on a data set.

    Attributes:
        handle: As the user named the model; a path is absolute.
        lasting_handle: By which each worker gets the same model.
        model_sha256: The digest of the model's files; empty where they cannot be read here.
        options: How the model is run.
        inputs: The data set.
        fragments: Of the data set.
        part_rows: The most rows of a fragment.
        schema: The ``pyarrow.Schema`` of the data set.
        output: The folder for what comes of it.
        settings: In force in the workers.
    """

    handle: str
    lasting_handle: str
    model_sha256: str
    options: Options
    inputs: Inputs
    fragments: tuple[Fragment, ...]
    part_rows: int
    schema: Any
    output: Path
    settings: Settings

    def part(self, number: int) -> Path:
        """Returns the file for what comes of a fragment."""
        return self.output / f"part-{number:05}.parquet"

    def identity(self) -> dict[str, Any]:
        """Returns what has to be the same for a run to go on where another one stopped."""
        files = [(self.inputs.name_of(file), Path(file).stat()) for file in self.inputs.files]
        lines = "".join(f"{name} {status.st_size} {status.st_mtime_ns}\n" for name, status in files)
        return {
            "model": self.model_sha256 or self.lasting_handle,
            "input": f"{len(files)} files, {hashlib.sha256(lines.encode()).hexdigest()}",
            **json.loads(json.dumps(dataclasses.asdict(self.options))),
            "part_rows": self.part_rows,
        }
