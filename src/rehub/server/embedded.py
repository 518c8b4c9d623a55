"""A hub inside this process: for tests, notebooks and demonstrations."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import os
import threading
import time
from types import TracebackType
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from rehub.errors import UsageError
from rehub.server.app import build_app
from rehub.server.bridge import Application, Bridge
from rehub.server.options import HubOptions
from rehub.server.port import ClaimedPort, claim_port
from rehub.storage.interface import ObjectStore
from rehub.storage.opening import open_store

_START_TIMEOUT_S = 20.0
# How long running downloads delay the end; a client that stopped reading would delay it for ever.
_STOP_GRACE_S = 0.3
# "incremental" leaves the program's own logging alone; without it granian would close all its handlers.
_QUIET = {"incremental": True, "handlers": {}, "loggers": {"_granian": {"level": "CRITICAL"}}}
_DEFAULTS = HubOptions()


class EmbeddedHub:
    """Serves a hub from a thread of this process while a ``with`` block runs.

    ::

        with EmbeddedHub("models") as hub:
            model = rehub.load(f"{hub.url}/publisher/model/1")

    Args:
        folder: Holds ``PUBLISHER/MODEL/VERSION/`` folders, or what was published; or a store, or the URL of a bucket.
        host: Where to listen.
        port: The port; 0 for any free one.
        uncompressed_base: As in `rehub.server.options.HubOptions`.
        options: All options.

    Raises:
        NotFoundError: If the folder does not exist.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | ObjectStore,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        uncompressed_base: str | None = None,
        options: HubOptions = _DEFAULTS,
    ) -> None:
        store = open_store(os.fspath(folder)) if isinstance(folder, (str, os.PathLike)) else folder
        if uncompressed_base is not None:
            options = dataclasses.replace(options, uncompressed_base=uncompressed_base)
        self._app = build_app(store, options)
        self._host = host
        self._port = port
        self._running: _Running | None = None

    @property
    def url(self) -> str:
        """The hub's URL, without a slash at the end.

        Raises:
            UsageError: Outside the ``with`` block.
        """
        if self._running is None:
            raise UsageError("The embedded hub is not running.", hint="Use it as: with EmbeddedHub(folder) as hub:")
        return self._running.claimed.url

    def __enter__(self) -> EmbeddedHub:
        if self._running is not None:
            raise UsageError("The embedded hub is running already.", hint="Make a second EmbeddedHub.")
        self._running = _Running(self._app, claim_port(self._host, self._port))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            running.stop()


class _Running:
    """One server in one thread with one event loop, listening when it is built.

    granian 2.8 keeps one file descriptor of each for good, bound to the port but deaf.
    """

    def __init__(self, app: Application, claimed: ClaimedPort) -> None:
        self.claimed = claimed
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="rehub-embedded-hub", daemon=True)
        self._thread.start()
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self.claimed.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
            self._error = error
        finally:
            self._app.close()  # granian does not where a client made it wait

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = Server(
            Bridge(self._app),
            address=self.claimed.address,
            port=self.claimed.number,
            interface=Interfaces.RSGI,
            websockets=False,
            log_enabled=False,
            log_dictconfig=_QUIET,
        )
        serving = asyncio.ensure_future(server.serve())
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        server.stop()  # type: ignore[no-untyped-call]
        # Requests too, not only the server: one that is cancelled at its very end leaves its file open.
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=_STOP_GRACE_S)
        if serving.done():
            serving.result()
        else:
            self._loop.set_exception_handler(_tell_but_late_ends)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._thread.is_alive():
            connection = http.client.HTTPConnection(self.claimed.url.removeprefix("http://"), timeout=_START_TIMEOUT_S)
            try:
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    return
            except OSError:  # not listening yet
                time.sleep(0.002)
            finally:
                connection.close()
        raise UsageError(
            f"The embedded hub did not start on {self.claimed.url}.", hint="Try another host or port."
        ) from self._error


def _tell_but_late_ends(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tells what goes wrong at the end, except that granian reports its own to a worker that is cancelled already."""
    if not isinstance(context.get("exception"), asyncio.InvalidStateError):
        loop.default_exception_handler(context)
