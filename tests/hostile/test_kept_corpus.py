"""What the fuzzers found worth keeping is read or refused by a HubError; they themselves run with ``make fuzz``."""

from __future__ import annotations

from pathlib import Path

import pytest

import fuzz
from fuzz.targets import TARGETS, is_read

CORPUS = Path(fuzz.__file__).parent / "corpus"


@pytest.mark.parametrize("target", TARGETS)
def test_target_reads_or_refuses_its_corpus(target: str) -> None:
    inputs = {path.name: path.read_bytes() for path in (CORPUS / target).iterdir()}
    outcomes = set()
    for name, data in inputs.items():
        try:
            outcomes.add(is_read(target, data))
        except Exception as error:
            raise AssertionError(f"{target}/{name}") from error
    assert outcomes == {True, False}


def test_every_corpus_has_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
