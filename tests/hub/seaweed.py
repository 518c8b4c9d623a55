"""A real object store on this machine: SeaweedFS, which speaks the protocol of Amazon S3."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

KEY, SECRET = "hub", "a-secret-of-the-store"
_TIMEOUT_S = 60.0
_PAUSE_S = 0.05
_TRIES = 3


class SeaweedFS:
    """The server, with one administrator. It may be stopped, killed and started again with what it has.

    Args:
        folder: An existing folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        rights = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "hub", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": rights}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "data").mkdir()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a hub finds it, and may use it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Starts it, where it answered before, and waits until it does."""
        ports = [self._ports] if self._ports else [_free_ports(8) for _ in range(_TRIES)]
        for self._ports in ports:  # somebody else may have got one of them meanwhile
            self._run(*self._ports)
            if self._answers():
                return
            self.end()
        raise AssertionError(f"SeaweedFS does not start:\n{(self._folder / 'log').read_text(errors='replace')[-5000:]}")

    def _run(
        self, s3: int, s3_grpc: int, master: int, master_grpc: int, volume: int, volume_grpc: int, *filer: int
    ) -> None:
        command = [
            *(str(Path(sys.executable).parent / "weed"), "server", "-dir=data"),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=20", "-master.volumeSizeLimitMB=256"),
            *("-master.electionTimeout=1s", "-master.telemetry=false"),
            *(f"-master.port={master}", f"-master.port.grpc={master_grpc}"),
            *(f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}"),
            *("-filer", f"-filer.port={filer[0]}", f"-filer.port.grpc={filer[1]}"),
            *("-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", "-s3.config=s3.json", "-s3.port.iceberg=0"),
            "-s3.port.lance=0",
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to it: SIGSTOP has it answer nobody, until SIGCONT."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self) -> None:
        """Kills it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for port in self._ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()

    def _answers(self) -> bool:
        """Waits until it answers; tells whether it did."""
        for _ in range(int(_TIMEOUT_S / _PAUSE_S)):
            if self._process is None or self._process.poll() is not None:
                return False
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as response:
                return "X-Amz-Request-Id" in response.headers
            threading.Event().wait(_PAUSE_S)
        return False


def _free_ports(count: int) -> list[int]:
    """Returns ports that nobody uses now; all are held until all are found, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
