from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rehub.errors import FormatError
from rehub.formats import checkpoint_index, saved_model, tf1_hub


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("saved_model.pb", lambda folder: saved_model.read(folder / "saved_model.pb")),
        ("saved_model.pbtxt", lambda folder: saved_model.read(folder / "saved_model.pbtxt")),
        ("tfhub_module.pb", tf1_hub.is_tf1_hub),
        ("variables.index", lambda folder: checkpoint_index.read(folder / "variables.index")),
    ],
)
def test_read_refuses_a_file_that_would_fill_the_memory(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**31)  # a hole, which takes no space
    with pytest.raises(FormatError, match=f"{2**31} bytes are more"):
        read(tmp_path)
