from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rehub.archive.stage import Stage


def test_stage_does_its_work_on_another_thread() -> None:
    done: list[tuple[int, bool]] = []

    def work(items: Iterator[int]) -> None:
        done.extend((item, threading.current_thread() is caller) for item in items)

    caller = threading.current_thread()
    with Stage(work, "work") as stage:
        for item in range(100):
            stage.put(item)
    assert done == [(item, False) for item in range(100)]


@pytest.mark.parametrize("count", [1, 1000], ids=["few", "more than the queue takes"])
def test_stage_raises_what_the_work_raised(count: int) -> None:
    def work(items: Iterator[int]) -> None:
        for item in items:
            raise ValueError(item)

    def put_all() -> None:
        with Stage(work, "work") as stage:
            for item in range(count):
                stage.put(item)

    with pytest.raises(ValueError, match="0"):
        put_all()


def test_stage_ends_the_work_when_the_block_raises() -> None:
    ended = []

    def work(items: Iterator[int]) -> None:
        try:
            list(items)
            ended.append("with all items")
        finally:
            ended.append("ended")

    def put_and_raise() -> None:
        with Stage(work, "work") as stage:
            stage.put(0)
            raise KeyError

    with pytest.raises(KeyError):
        put_and_raise()
    assert ended == ["ended"]
