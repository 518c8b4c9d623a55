"""``rehub serve`` as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import rehub
from rehub.server import EmbeddedHub


@pytest.fixture
def models(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    for version in ("1", "2"):
        folder = root / "acme" / "net" / version
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(os.urandom(20_000_000))
    return root


@contextmanager
def _serving(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """Runs the command; gives the process, the hub's URL and the lines told so far."""
    spool = tmp_path / "spool"
    spool.mkdir(exist_ok=True)
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "rehub", "serve", "--port", "0", "--no-access-log", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(spool), "PYTHONPATH": str(Path(rehub.__file__).parents[1])},
        start_new_session=True,
    )
    watchdog = threading.Timer(60, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        assert process.stderr is not None
        lines = [process.stderr.readline(), process.stderr.readline()]
        url = re.search(r"http://\S+", "".join(lines))
        assert url, lines
        _wait_until_it_answers(url[0])
        yield process, url[0], lines
    finally:
        watchdog.cancel()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _wait_until_it_answers(url: str) -> None:
    for _ in range(500):
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=10).close()
        except OSError:
            threading.Event().wait(0.02)
        else:
            return
    raise AssertionError(f"{url} does not answer")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_until_it_is_interrupted(
    models: Path, tmp_path: Path, number: signal.Signals, workers: str
) -> None:
    with _serving(tmp_path, str(models), "--workers", workers) as (process, url, lines):
        assert f'hub.load("{url}/acme/net/2")' in lines[1]
        with urllib.request.urlopen(f"{url}/acme/net?tf-hub-format=compressed") as response:
            assert response.url.endswith("/acme/net/2?tf-hub-format=compressed")
            assert response.read(2) == b"\x1f\x8b"

        os.killpg(process.pid, number)

        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")
    assert not list((tmp_path / "spool").iterdir())


def test_serve_ends_its_workers_when_it_is_killed(models: Path, tmp_path: Path) -> None:
    with _serving(tmp_path, str(models)) as (process, url, _):
        process.kill()
        # The workers hold the other ends of these pipes until they end.
        process.communicate(timeout=30)

        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(url)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_serve_ends_with_an_error_when_its_worker_dies(models: Path, tmp_path: Path) -> None:
    with _serving(tmp_path, str(models)) as (process, _, _):
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for worker in workers:
            os.kill(int(worker), signal.SIGKILL)

        out, err = process.communicate(timeout=30)

    assert workers
    assert (process.returncode, out) == (1, "")
    assert "Unexpected exit from worker" in err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_finishes_running_downloads_before_it_ends(models: Path, tmp_path: Path, workers: str) -> None:
    target = "/acme/net/1?rehub-file=saved_model.pb"
    with _serving(tmp_path, str(models), "--workers", workers) as (process, url, _):
        with (
            urllib.request.urlopen(f"{url}{target}") as whole,
            urllib.request.urlopen(urllib.request.Request(url + target, headers={"Range": "bytes=1-"})) as part,
        ):
            begun = [whole.read(1), part.read(1)]
            process.terminate()
            _wait_until_it_listens_no_more(url)
            contents = [begun[0] + whole.read(), begun[1] + part.read()]

        _, err = process.communicate(timeout=30)

    content = (models / "acme/net/1/saved_model.pb").read_bytes()
    assert contents == [content, content[1:]]
    assert (process.returncode, err) == (0, "")


def _wait_until_it_listens_no_more(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    for _ in range(500):
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"{url} goes on")


def test_serve_makes_the_folder_of_the_hub_when_none_is_named(tmp_path: Path) -> None:
    with _serving(tmp_path) as (_, url, lines):
        assert lines[0] == "Made the folder ./hub for the hub.\n"
        assert (tmp_path / "folder/hub").is_dir()
        assert urllib.request.urlopen(url).status == 200


def test_serve_tells_each_request(models: Path, tmp_path: Path) -> None:
    with _serving(tmp_path, str(models), "--access-log") as (process, url, _):
        urllib.request.urlopen(f"{url}/acme/net/1?tf-hub-format=compressed").close()
        process.terminate()
        _, err = process.communicate(timeout=30)

    assert [json.loads(line)["path"] for line in err.splitlines()] == ["/acme/net/1?tf-hub-format=compressed"]


def test_serve_counts_the_requests_of_all_workers(models: Path, tmp_path: Path) -> None:
    with _serving(tmp_path, str(models), "--workers", "2") as (_, url, _):
        for _ in range(20):
            urllib.request.urlopen(f"{url}/acme/net/1").close()
        counts = set()
        for _ in range(10):
            with urllib.request.urlopen(f"{url}/metrics") as answer:
                text = answer.read().decode()
            counts.add(re.search(r'requests_total\{kind="page",status="2xx"\} (\d+)', text)[1])  # type: ignore[index]

    assert counts == {"20"}


def test_serve_limits_and_hides_as_it_is_told(models: Path, tmp_path: Path) -> None:
    with _serving(tmp_path, str(models), "--private", "--rate-limit", "0.1") as (_, url, _):
        statuses = []
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(f"{url}/acme/net/1")
            statuses.append(error.value.code)
            error.value.close()

    assert statuses == [401, 429]


def test_serve_names_the_uncompressed_copy(models: Path, tmp_path: Path) -> None:
    with (
        _serving(tmp_path, str(models), "--uncompressed-base", "gs://bucket") as (_, url, _),
        pytest.raises(urllib.error.HTTPError) as error,
    ):
        urllib.request.urlopen(f"{url}/acme/net/1?tf-hub-format=uncompressed")

    assert error.value.headers["Location"] == "gs://bucket/acme/net/1"
    error.value.close()


def test_serve_says_so_when_there_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with _serving(tmp_path, str(tmp_path / "empty")) as (_, _, lines):
        assert "No models yet" in lines[1]


def test_serve_names_the_models_that_it_cannot_serve(models: Path, tmp_path: Path) -> None:
    with _serving(tmp_path, str(models / "acme" / "net" / "1")) as (_, _, lines):
        assert f"Not served: the model in {models / 'acme' / 'net' / '1'}," in lines[1]


def test_serve_names_what_no_client_would_take(models: Path, tmp_path: Path) -> None:
    (models / "acme/net/1/con.txt").touch()
    with _serving(tmp_path, str(models)) as (process, _, _):
        assert process.stderr is not None
        line = process.stderr.readline()

    assert "Not served: acme/net/1: the model has a name that stands for something else on Windows" in line
    assert "'con.txt'" in line
    assert "Rename it" in line


def _fail(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_serve_fails_when_the_folder_does_not_exist(tmp_path: Path) -> None:
    error = _fail("-m", "rehub", "serve", str(tmp_path / "nowhere"), "--port", "0")

    assert error.startswith("error: ")
    assert "nowhere' is not a folder" in error
    assert "\nhint: " in error


def test_serve_fails_when_the_port_is_in_use(models: Path) -> None:
    with EmbeddedHub(models) as hub:
        port = hub.url.rpartition(":")[2]
        error = _fail("-m", "rehub", "serve", str(models), "--port", port)

    assert f"Port {port} on 127.0.0.1 is in use" in error


@pytest.mark.parametrize("package", ["granian", "starlette", "anyio"])
def test_serve_names_the_extra_when_a_package_is_missing(models: Path, package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from rehub.cli.main import main; main(['serve', sys.argv[1]])"

    error = _fail("-c", code, str(models))

    assert f"'{package}'" in error
    assert 'pip install "rehub[server]"' in error


def test_serve_fails_when_models_are_to_be_tried_and_tensorflow_is_missing(models: Path) -> None:
    error = _fail("-m", "rehub", "serve", str(models), "--port", "0", "--try-it")

    assert 'pip install "rehub[tensorflow]"' in error
