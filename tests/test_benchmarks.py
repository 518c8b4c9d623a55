"""The benchmarks work; what they measure is no matter of tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import cli_time, import_time, warm_resolve
from benchmarks.__main__ import BENCHMARKS
from benchmarks.measuring import Measurement, Setting, interleave, ratios
from benchmarks.report import markdown, rewritten

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "BENCHMARKS.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_states_its_claim(name: str) -> None:
    module = BENCHMARKS[name]

    assert module.__doc__
    assert module.TITLE
    assert module.METHOD
    assert module.TELLING
    assert callable(module.measure)


def test_quick_run_measures_imports_and_warm_resolves(peer_python: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "import_time", "warm_resolve"],
        cwd=ROOT,
        env={**os.environ, "REHUB_PEER_PYTHON": str(peer_python), "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    for shown in ("import rehub", "0 modules", "each of many calls", "import and first call"):
        assert shown in done.stdout


def test_run_says_what_is_missing_when_no_peer_is_named() -> None:
    env = {name: value for name, value in os.environ.items() if name != "REHUB_PEER_PYTHON"}

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "import_time"],
        cwd=ROOT,
        env={**env, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert "REHUB_PEER_PYTHON" in done.stderr
    assert "make benchmark" in done.stderr


def test_interleave_lets_contenders_take_turns_in_changing_order() -> None:
    order: list[str] = []

    def contender(name: str) -> dict[str, float]:
        order.append(name)
        return {"seconds": float(len(order))}

    results = interleave({"a": lambda: contender("a"), "b": lambda: contender("b")}, rounds=2)

    assert order == ["a", "b", "b", "a"]
    assert ratios(results["a"], results["b"], "seconds") == [1 / 2, 4 / 3]


@pytest.mark.parametrize(("limit", "kept"), [(2.0, True), (1.9, False), (None, None)])
def test_measurement_keeps_its_claim_when_its_median_is_within_the_limit(limit: float | None, kept: bool) -> None:
    assert Measurement("calls", [1, 2, 90], limit=limit).keeps_claim is kept


def test_report_names_machine_target_and_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REHUB_PEER_PYTHON", sys.executable)
    monkeypatch.setenv("REHUB_KERAS2_PYTHON", sys.executable)
    monkeypatch.setenv("REHUB_DOWNLOADERS_PYTHON", sys.executable)
    measurements = [Measurement("us / them", [0.5, 1.5, 1.75], limit=1, detail="3 s, 2 s")]

    page = markdown(BENCHMARKS.values(), [(import_time, measurements)], Setting(tmp_path))

    assert f"{os.cpu_count()} cores" in page
    assert "| us / them | 1.5 | 1 to 1.62 (3) | 1 | falls short | 3 s, 2 s |" in page
    assert str(tmp_path) not in page


def test_report_of_some_keeps_the_sections_of_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PEER", "KERAS2", "DOWNLOADERS"):
        monkeypatch.setenv(f"REHUB_{name}_PYTHON", sys.executable)
    setting = Setting(tmp_path)
    old, new = [Measurement("calls", [7.5])], [Measurement("calls", [2.5])]
    before = markdown(BENCHMARKS.values(), [(import_time, old), (cli_time, old), (warm_resolve, old)], setting)

    page = markdown(BENCHMARKS.values(), [(cli_time, new)], setting, before)

    assert page == markdown(BENCHMARKS.values(), [(import_time, old), (cli_time, new), (warm_resolve, old)], setting)


def test_page_has_the_text_of_the_benchmarks_as_they_are() -> None:
    assert rewritten(BENCHMARKS.values(), PAGE) == PAGE


def test_page_has_a_section_with_its_command_for_every_benchmark() -> None:
    sections = {section.partition("\n")[0]: section for section in PAGE.split("\n## ")[1:]}

    assert set(sections) == {module.TITLE for module in BENCHMARKS.values()}
    for name, module in BENCHMARKS.items():
        assert f"\nmake benchmark NAMES={name}\n" in sections[module.TITLE]


def test_head_of_the_page_has_the_telling_row_of_every_benchmark() -> None:
    head = PAGE.partition("\n## ")[0]

    for module in BENCHMARKS.values():
        assert f"| [{module.TITLE}](" in head
        assert f"| {module.TELLING} |" in head
    assert head.rstrip().splitlines()[-1] == (
        f"Of {PAGE.count('| kept |') + PAGE.count('| falls short |') - head.count('| kept |')} targets, "
        f"{PAGE.count('| kept |') - head.count('| kept |')} are kept, and {PAGE.count('| falls short |')} are not."
    )
