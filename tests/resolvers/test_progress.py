"""What is shown of a download, and that showing it never harms it."""

from __future__ import annotations

import errno
import io
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.errors import HubError
from rehub.resolvers.chain import resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample

HANDLE = "https://hub.test/acme/net/2"


class Pieces(MemoryResponse):
    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.body), 20_000):
            yield self.body[start : start + 20_000]


MODEL = Pieces(sample.archive(), headers={"content-length": str(len(sample.archive()))})


def fetched(handle: str = HANDLE) -> str:
    transport = MemoryTransport({f"{handle}?tf-hub-format=compressed": MODEL})
    return resolve_with(handle, configuration.current(), transport)


@pytest.mark.parametrize("handle", [HANDLE, HANDLE.removesuffix("/2")])
@pytest.mark.parametrize("error", [ConnectionResetError("gone"), OSError(errno.ENOSPC, "full"), KeyError("x")])
@pytest.mark.parametrize("at_bytes", [0, 40_000])
def test_resolve_passes_on_what_the_callback_raises(cache: Path, handle: str, error: Exception, at_bytes: int) -> None:
    def callback(_: str, done_bytes: int, __: int | None) -> None:
        if done_bytes >= at_bytes:
            raise error

    with rehub.settings(progress=callback), pytest.raises(type(error)) as caught:
        fetched(handle)
    assert caught.value is error
    assert not isinstance(caught.value, HubError)
    assert list((cache / ".staging").iterdir()) == []


def test_resolve_passes_on_what_the_callback_raises_at_the_end() -> None:
    def callback(_: str, done_bytes: int, total_bytes: int | None) -> None:
        if done_bytes == total_bytes:
            raise BrokenPipeError("the window is closed")

    with rehub.settings(progress=callback), pytest.raises(BrokenPipeError, match="the window is closed"):
        fetched()


class Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stderr", [Broken(), closed(), None])
@pytest.mark.parametrize("is_shown", [True, None])
def test_resolve_downloads_when_nobody_can_see_the_bar(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None, is_shown: bool | None
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    with rehub.settings(show_progress=is_shown):
        assert sample.read(fetched()) == sample.FILES


def test_resolve_shows_a_bar_in_a_notebook(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    bars = []

    class Bar:
        def __init__(self, **options: object) -> None:
            self.options, self.n, self.is_closed = options, 0, False
            bars.append(self)

        def update(self, count: int) -> None:
            self.n += count

        def close(self) -> None:
            self.is_closed = True

    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)  # in a notebook, the one of tqdm.notebook
    with rehub.settings(show_progress=None):
        fetched()
    (bar,) = bars
    assert (bar.n, bar.options["total"], bar.is_closed) == (len(MODEL.body), len(MODEL.body), True)
    assert bar.options["file"] is None  # its own choice: what goes to the standard error is red there


def test_resolve_shows_no_bar_in_a_notebook_when_it_is_asked_not_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr("tqdm.auto.tqdm", None)
    with rehub.settings(show_progress=False):
        fetched()
