"""nginx, with the blocks of configuration that the documents show, on ports of this machine."""

from __future__ import annotations

import getpass
import grp
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.documentation.pages import blocks

_TIMEOUT_S = 30.0
_AROUND = """
user {user} {group}; worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
access_log off;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{block}
}}
"""


class Nginx:
    """nginx, while a ``with`` block runs.

    Args:
        page: The document, from the top of the repository.
        wanted: What stands in the one of its blocks that is meant.
        folder: Where everything that nginx writes goes.
        replaced: Texts of the block that are others here, such as paths. Each of them has to be there. The ports that
            it listens on are replaced anyway.
    """

    def __init__(self, page: str, wanted: str, folder: Path, replaced: Mapping[str, str]) -> None:
        (block,) = (code for _, language, code in blocks(page) if language == "nginx" and wanted in code)
        if "listen" not in block:  # a part of a server
            block = f"server {{\nlisten 80;\n{block}}}\n"
        self.ports = {port: _free_port() for port in re.findall(r"^ *listen (\d+)", block, re.MULTILINE)}
        for port, free in self.ports.items():
            block = re.sub(rf"^( *listen ){port}\b", rf"\g<1>127.0.0.1:{free}", block, flags=re.MULTILINE)
        for old, new in replaced.items():
            assert old in block
            block = block.replace(old, new.format_map({f"port_{port}": free for port, free in self.ports.items()}))
        folder.mkdir()
        self._folder = folder
        user, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        (folder / "nginx.conf").write_text(_AROUND.format(user=user, group=group, folder=folder, block=block))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Nginx:
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None, "environments/nginx.sh installs it"
        self._process = subprocess.Popen([program, "-c", str(self._folder / "nginx.conf")], stderr=subprocess.DEVNULL)
        until = time.monotonic() + _TIMEOUT_S
        while not all(map(_listens, self.ports.values())):
            told = self._folder / "error.log"
            assert self._process.poll() is None, told.read_text() if told.exists() else "it did not start"
            assert time.monotonic() < until
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
