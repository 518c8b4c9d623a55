"""``rehub login`` and ``rehub logout``."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rehub.cli.main import main

TOKEN = "s3cret-t0ken"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config" / "tokens.json"
    monkeypatch.setenv("REHUB_CREDENTIALS_FILE", str(path))
    return path


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch, stdin: str = "") -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def test_login_stores_the_token_of_standard_input(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("login", "hub.test", monkeypatch=monkeypatch, stdin=f"{TOKEN}\n") == 0

    out, err = capsys.readouterr()
    assert json.loads(path.read_text()) == {"tokens": {"https://hub.test": TOKEN}}
    assert out == ""
    assert "https://hub.test" in err
    assert str(path) in err
    assert TOKEN not in err


@pytest.mark.parametrize(
    ("host", "stdin"), [("hub.test", ""), ("hub.test", "two words"), ("http://hub.test", TOKEN), ("a b", TOKEN)]
)
def test_login_refuses_what_cannot_be_a_login(
    host: str, stdin: str, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("login", host, monkeypatch=monkeypatch, stdin=stdin) == 1

    assert not path.exists()
    assert "error:" in capsys.readouterr().err


def test_logout_forgets_the_token(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("login", "hub.test", monkeypatch=monkeypatch, stdin=TOKEN)

    assert run("logout", "https://hub.test", monkeypatch=monkeypatch) == 0
    assert json.loads(path.read_text()) == {"tokens": {}}
    assert run("logout", "hub.test", monkeypatch=monkeypatch) == 0
    assert "no token" in capsys.readouterr().err


def test_doctor_names_the_servers_and_shows_no_secret(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("login", "hub.test", monkeypatch=monkeypatch, stdin=TOKEN)
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine netrc.test login me password {TOKEN}\n")
    netrc.chmod(0o600)
    variables = {"NETRC": str(netrc), "KAGGLE_API_TOKEN": TOKEN, "REHUB_TOKEN": TOKEN, "REHUB_TOKEN_HOST": "ci.test"}
    for name, value in {**variables, "TFHUB_CACHE_DIR": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)

    run("doctor", monkeypatch=monkeypatch)
    run("doctor", "--json", monkeypatch=monkeypatch)

    text = "".join(capsys.readouterr())
    assert all(server in text for server in ("hub.test", "netrc.test", "www.kaggle.com", "ci.test"))
    assert TOKEN not in text


@pytest.mark.skipif(os.name != "posix", reason="a terminal of another kind")
def test_login_asks_for_the_token_at_a_terminal_and_does_not_show_it(path: Path) -> None:
    import pty

    master, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "rehub", "login", "hub.test"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while b"Token for https://hub.test (hidden): " not in shown:
                shown += os.read(master, 1024)
            os.write(master, f"{TOKEN}\n".encode())
            assert process.wait(30) == 0
            shown += os.read(master, 4096)
        finally:
            process.kill()
            os.close(master)

    assert json.loads(path.read_text()) == {"tokens": {"https://hub.test": TOKEN}}
    assert TOKEN.encode() not in shown
