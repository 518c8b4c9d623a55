"""A hub over a folder sends files about as fast as nginx does, in little memory, and moves only what changed."""

from __future__ import annotations

import contextlib
import dataclasses
import grp
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from benchmarks.measuring import ROOT, Measurement, Setting, environment, interleave, middle, ratios, run

TITLE = "Hub: downloads, requests, memory"
TELLING = "64 at once, whole, rehub / nginx"
METHOD = (
    "A file of 500 MB of a model, to 1, 8 and 64 downloads at once by curl, from `rehub serve` with 2 workers and from "
    "nginx (Debian's, with sendfile) with as many, which serves the same file; whole, and without its first byte by a "
    "Range. Targets: 0.7, 0.9 and 0.9 of nginx's throughput. With sendfile the kernel hands pages to the client, which "
    "then pays for copying them: the CPU of curl is told beside that of the server. Memory: the proportional set size "
    "of all processes of the server, sampled while 64 downloads run. A model is published and fetched, then again with "
    "its end changed. Of that model, pages and manifests: 16 requests at once over open connections."
)
_CLIENTS = {1: 0.7, 8: 0.9, 64: 0.9}
_CURL = ("curl", "-sSf", "--no-progress-meter")
_MODEL = ROOT / "tests/data/models/half_plus_two"
_NGINX = """
user {user} {group}; worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_timeout 65; send_timeout 600;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclasses.dataclass(frozen=True)
class _Source:
    """A file on a server.

    Attributes:
        url: Where it is.
        pid: The server.
    """

    url: str
    pid: int

    def warm(self) -> None:
        """Has each process of the server look at the file: a hub hashes one that nobody published."""
        for _ in range(24):
            urllib.request.urlopen(urllib.request.Request(self.url, method="HEAD"), timeout=60).close()
        _curl("-o", "/dev/null", self.url)


def measure(setting: Setting) -> list[Measurement]:
    root, size_bytes = setting.folder / "models", 5_000_000 if setting.quick else 500_000_000
    place = root / "acme/net/1"
    shutil.copytree(_MODEL, place)
    with (place / "weights").open("wb") as file:
        for _ in range(size_bytes // 1_000_000):
            file.write(random.randbytes(1_000_000))
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    with _hub(root) as (server, hub):
        found = [*_changes(root, hub, setting), *_requests(hub, setting, server.pid)]
        if program is None:
            click.echo("No downloads are compared: nginx is not installed. Run: apt-get install nginx-light", err=True)
            return found
        with _nginx(program, setting.folder, root) as (peer, nginx):
            sources = {
                "rehub": _Source(f"{hub}/acme/net/1?rehub-file=weights", server.pid),
                "nginx": _Source(f"{nginx}/acme/net/1/weights", peer.pid),
            }
            return [*_downloads(sources, setting, size_bytes), *found]


def _downloads(sources: Mapping[str, _Source], setting: Setting, size_bytes: int) -> Iterator[Measurement]:
    for source in sources.values():
        source.warm()
    memory: list[float] = []
    for what, options in (("whole", ()), ("by a Range", ("-r", "1-"))):
        for clients, share in _CLIENTS.items():
            number = min(clients, 8) if setting.quick else clients
            works = {name: partial(_download, source, number, options) for name, source in sources.items()}
            runs = interleave(works, setting.rounds_or({1: 15, 8: 5, 64: 3}[clients]))
            if clients == 64:
                memory += [run["peak_bytes"] / 1e6 for run in runs["rehub"]]
            yield Measurement(
                f"{clients} {'download' if clients == 1 else 'at once'}, {what}, rehub / nginx",
                ratios(runs["rehub"], runs["nginx"], "seconds"),
                limit=1 / share,
                detail="; ".join(f"{name} {_speed(runs[name], number * size_bytes / 1e9)}" for name in sources),
            )
    yield Measurement("memory of the server at 64 downloads", memory, "MB", limit=200)


def _requests(hub: str, setting: Setting, server: int) -> Iterator[Measurement]:
    count = 200 if setting.quick else 4000
    accept = ("-H", "Accept: application/vnd.rehub.manifest+json")
    for what, query, options in (("page", "", ()), ("manifest", "tf-hub-format=compressed&", accept)):
        url = f"{hub}/acme/tuned/2?{query}n=[1-{count}]"
        runs = []
        for _ in range(setting.rounds_or(5)):
            before = _cpu_s(server)
            runs.append({"seconds": _curl("-Z", "--parallel-max", "16", *options, "-o", "/dev/null", url)})
            runs[-1]["cpu_s"] = _cpu_s(server) - before
        seconds, cpu_s = middle(runs, "seconds") / count, middle(runs, "cpu_s") / count
        detail = f"{1 / seconds:,.0f} a second; {cpu_s * 1e6:,.0f} µs of CPU"
        yield Measurement(f"one {what}", [run["seconds"] / count * 1e6 for run in runs], "µs", detail=detail)


def _changes(root: Path, hub: str, setting: Setting) -> Iterator[Measurement]:
    """Publishes and fetches a model of 40 MB, and then again with 1 MB of it changed."""
    folder = setting.folder / "tuned"
    shutil.copytree(_MODEL, folder)
    weights = bytearray(random.randbytes(40_000_000))
    token = _rehub("serve", "token", "create", "benchmark", "--publisher", "acme", "--store", root).split()[-1]
    login = {"REHUB_TOKEN": token, "REHUB_TOKEN_HOST": hub, "TFHUB_CACHE_DIR": str(setting.folder / "cache")}
    sent, fetched = [], []
    for tuned in (b"", random.randbytes(1_000_000)):
        weights[len(weights) - len(tuned) :] = tuned
        (folder / "weights").write_bytes(weights)
        before = _metric(hub, "rehub_block_bytes_total"), _metric(hub, 'rehub_response_bytes_total{kind="file"}')
        handle = _rehub("publish", "push", "--no-check", folder, "acme/tuned", "--to", hub, **login).strip()
        _rehub("resolve", handle, **login)
        sent.append(_metric(hub, "rehub_block_bytes_total") - before[0])
        fetched.append(_metric(hub, 'rehub_response_bytes_total{kind="file"}') - before[1])
    for what, values in (("sent to publish", sent), ("fetched", fetched)):
        share = values[1] / values[0]
        # The last megabyte lies in one block of 4 MiB, or in two.
        yield Measurement(
            f"{what} when 1 MB of 40 MB changed, second / first version",
            [share],
            limit=(2 * 4.2 + 1) / 40,
            detail=f"{values[1] / 1e6:.1f} of {values[0] / 1e6:.1f} MB",
        )


@contextlib.contextmanager
def _hub(root: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    options = ["--port", "0", "--workers", "2", "--rate-limit", "0", "--no-access-log"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rehub", "serve", str(root), *options],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found, "it says where it is"
        _wait_for(f"{found[0]}/healthz")
        yield process, found[0]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextlib.contextmanager
def _nginx(program: str, folder: Path, root: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "nginx").mkdir()
    settings = folder / "nginx/nginx.conf"
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    settings.write_text(_NGINX.format(folder=folder / "nginx", root=root, port=port, user=user, group=group))
    process = subprocess.Popen([program, "-c", str(settings)], stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/acme/net/1/saved_model.pb")
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=10).close()
            return
        time.sleep(0.05)
    raise click.ClickException(f"{url} does not answer")


def _download(source: _Source, number: int, options: Sequence[str]) -> dict[str, float]:
    """Fetches as often at once; tells the seconds, those of CPU, and how much memory many downloads take."""
    each = ["-o", "/dev/null", source.url] * number
    before, curls_before, peak_bytes = _cpu_s(source.pid), os.times(), 0.0
    begun = time.perf_counter()
    process = subprocess.Popen([*_CURL, "-Z", "--parallel-immediate", "--parallel-max", str(number), *options, *each])
    while number > 1 and process.poll() is None:
        peak_bytes = max(peak_bytes, _memory_bytes(source.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    process.wait()
    seconds, curls = time.perf_counter() - begun, os.times()
    if process.returncode:
        raise click.ClickException(f"curl failed with {process.returncode}")
    return {
        "seconds": seconds,
        "cpu_s": _cpu_s(source.pid) - before,
        "curl_s": sum(curls[2:4]) - sum(curls_before[2:4]),
        "peak_bytes": peak_bytes,
    }


def _speed(runs: Sequence[Mapping[str, float]], gigabytes: float) -> str:
    server_s, curl_s = (middle(runs, field) / gigabytes for field in ("cpu_s", "curl_s"))
    return f"{gigabytes / middle(runs, 'seconds'):.2f} GB/s, CPU {server_s:.2f} + {curl_s:.2f} s for 1 GB"


def _processes(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _cpu_s(pid: int) -> float:
    """The CPU time of a server and its processes, so far."""
    fields = (Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split() for process in _processes(pid))
    return sum(int(user) + int(system) for *_, user, system in (each[:13] for each in fields)) / os.sysconf(
        "SC_CLK_TCK"
    )


def _memory_bytes(pid: int) -> float:
    total = 0.0
    for process in _processes(pid):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
        total += float(found[1]) * 1024 if found else 0.0
    return total


def _curl(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run([*_CURL, *arguments], check=True)
    return time.perf_counter() - begun


def _metric(hub: str, name: str) -> float:
    with urllib.request.urlopen(f"{hub}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).rpartition(" ")[2])


def _rehub(*arguments: object, **more: str) -> str:
    return run([sys.executable, "-m", "rehub", *map(str, arguments)], **more)
