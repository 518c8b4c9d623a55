"""``rehub demo``: what it passes on."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from rehub.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "folder"), [(["demo"], Path("demo-output")), (["demo", "--output", "there"], Path("there"))]
)
def test_demo_runs_with_the_folder_for_its_picture(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], folder: Path
) -> None:
    calls: list[Path] = []
    module = types.ModuleType("rehub.demo.run")
    module.run = calls.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rehub.demo.run", module)

    with pytest.raises(SystemExit) as exit_:
        main(arguments)

    assert (exit_.value.code, calls) == (0, [folder])
