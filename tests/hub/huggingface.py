"""A server that answers the client of the Hugging Face Hub: repositories, commits, files, and large storage."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, unquote, urlsplit

LARGE_BYTES = 10_000
"""From this size on a file is in large storage: on another host, by a signed URL."""
SIGNATURE = "Signature=a-secret-of-the-storage"
_PAGE = 2


@dataclasses.dataclass
class Repository:
    """A repository: names of branches and tags to commits, and commits to files.

    Attributes:
        refs: Branch or tag to its commit.
        commits: Commit to its files.
        token: Whoever asks has to send it; empty for a public repository.
        gated: Whether its terms have to be accepted, by nobody so far.
    """

    refs: dict[str, str] = dataclasses.field(default_factory=dict)
    commits: dict[str, Mapping[str, bytes]] = dataclasses.field(default_factory=dict)
    token: str = ""
    gated: bool = False

    def push(self, files: Mapping[str, bytes], ref: str = "main") -> str:
        """Adds a commit, and lets a branch stand for it; returns it."""
        names = "".join(f"{name} {_sha256(data)}\n" for name, data in sorted(files.items()))
        commit = hashlib.sha1(f"{len(self.commits)} {names}".encode()).hexdigest()
        self.commits[commit], self.refs[ref] = files, commit
        return commit


class HuggingFace:
    """The server.

    Attributes:
        repositories: By ``OWNER/NAME``.
        requests: Method and target of each request.
        tokens: What was sent as ``Authorization`` with each of them; empty for nothing.
        broken: Files whose bytes are sent wrong.
        cut: Files of which only a part is sent, as often as the number says.
        status: What every request is answered with, if it is set.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []
        self.tokens: list[str] = []
        self.broken: set[str] = set()
        self.cut: dict[str, int] = {}
        self.status = 0
        self.url = self.storage = ""

    @contextlib.contextmanager
    def running(self) -> Iterator[HuggingFace]:
        handler = type("Handler", (_Handler,), {"hub": self})
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            self.storage = f"http://localhost:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def asked(self, word: str) -> list[str]:
        """Returns the requests whose target has a word."""
        return [request for request in self.requests if word in request]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HuggingFace

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        self.hub.tokens.append(self.headers.get("Authorization", ""))
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if self.hub.status:
            self._send(self.hub.status, b"")
        elif parts[0] == "storage":
            self._send_storage(parts[1])
        elif parts[:2] == ["api", "models"]:
            self._with_repository("/".join(parts[2:4]), parts[4:], is_api=True)
        else:
            self._with_repository("/".join(parts[:2]), parts[2:], is_api=False)

    def _with_repository(self, name: str, rest: list[str], *, is_api: bool) -> None:
        repository = self.hub.repositories.get(name)
        sent = self.headers.get("Authorization", "")
        if repository is None or (repository.token and sent != f"Bearer {repository.token}"):
            self._refuse(401 if not sent else 404, "RepoNotFound")
        elif repository.gated and not is_api:  # what is there, anybody may know
            self._refuse(403, "GatedRepo")
        elif rest[0] == "refs":
            branches = [
                {"name": ref, "ref": f"refs/heads/{ref}", "targetCommit": to} for ref, to in repository.refs.items()
            ]
            self._send_json({"branches": branches, "tags": [], "converts": []})
        else:
            commit = repository.refs.get(rest[1], rest[1])
            if commit not in repository.commits:
                self._refuse(404, "RevisionNotFound")
            elif rest[0] == "revision":
                self._send_json({"id": name, "modelId": name, "sha": commit, "tags": [], "siblings": []})
            elif rest[0] == "tree":
                self._send_tree(repository.commits[commit], "/".join(rest[2:]))
            else:
                self._send_file(repository.commits[commit], commit, "/".join(rest[2:]))

    def _send_tree(self, files: Mapping[str, bytes], folder: str) -> None:
        prefix = f"{folder}/" if folder else ""
        entries = [_entry(name, data) for name, data in sorted(files.items()) if name.startswith(prefix)]
        if not entries:
            self._refuse(404, "EntryNotFound")
            return
        start = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
        more = start + _PAGE < len(entries)
        path = urlsplit(self.path).path
        link = {"Link": f'<{self.hub.url}{path}?recursive=True&cursor={start + _PAGE}>; rel="next"'} if more else {}
        folders = [{"type": "directory", "path": f"{prefix}variables", "oid": "0" * 40, "size": 0}] if not start else []
        self._send_json([*folders, *entries[start : start + _PAGE]], link)

    def _send_file(self, files: Mapping[str, bytes], commit: str, name: str) -> None:
        if name not in files:
            self._refuse(404, "EntryNotFound")
            return
        data = files[name]
        if len(data) < LARGE_BYTES:
            self._send_bytes(name, data, {"X-Repo-Commit": commit, "ETag": f'"{_git(data)}"'})
            return
        headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{_sha256(data)}"'}
        self._send(302, b"", {**headers, "Location": f"{self.hub.storage}/storage/{_sha256(data)}?{SIGNATURE}"})

    def _send_storage(self, sha256: str) -> None:
        if SIGNATURE not in self.path or self.headers.get("Authorization"):
            self._send(403, b"")
            return
        every = (
            item for one in self.hub.repositories.values() for files in one.commits.values() for item in files.items()
        )
        name, data = next((name, data) for name, data in every if _sha256(data) == sha256)
        self._send_bytes(name, data, {"ETag": f'"{sha256}"'})

    def _send_bytes(self, name: str, data: bytes, headers: Mapping[str, str]) -> None:
        if name in self.hub.broken:
            data = bytes(len(data))
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if self.command == "GET" and self.hub.cut.get(name, 0) > 0:
            self.hub.cut[name] -= 1
            self._begin(200, {**headers, "Content-Length": str(len(data))})
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        part = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        self._send(206 if start else 200, data[start:], {**headers, **part})

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code, "Content-Type": "application/json"})

    def _send_json(self, value: object, headers: Mapping[str, str] | None = None) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._begin(status, {**(headers or {}), "Content-Length": str(len(body))})
        if self.command == "GET":
            self.wfile.write(body)

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _entry(name: str, data: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": _git(data)}
    if len(data) >= LARGE_BYTES:
        entry["lfs"] = {"oid": _sha256(data), "size": len(data), "pointerSize": 130}
    return entry


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
