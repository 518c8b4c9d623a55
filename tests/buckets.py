"""A server with buckets, for obstore: it speaks as much as is needed to read of the protocols of S3, GCS and Azure."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_AZURE_ACCOUNT = "devstoreaccount1"
_DATE = "Mon, 01 Jan 2024 00:00:00 GMT"


class Buckets:
    """The server.

    Attributes:
        objects: Bucket and key, as ``BUCKET/KEY``, to what it holds.
        requests: Method and target of each request.
        tokens: What was sent as ``Authorization`` with each of them.
        status: What every request is answered with, if it is set.
        on_read: Called with the key when an object is read.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.tokens: list[str] = []
        self.status = 0
        self.url = ""

    def put(self, place: str, files: Mapping[str, bytes]) -> None:
        """Adds objects below ``BUCKET/FOLDER``."""
        self.objects.update({f"{place}/{name}": data for name, data in files.items()})

    def on_read(self, key: str) -> None:
        """Does nothing."""

    def variables(self, folder: Path) -> dict[str, str]:
        """Returns the variables by which a client of each provider finds this server.

        Args:
            folder: Where an account of Google's is written.
        """
        account = {"gcs_base_url": self.url, "disable_oauth": True, "client_email": "", "private_key": ""}
        (folder / "account.json").write_text(json.dumps(account | {"private_key_id": ""}))
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "a-secret-of-s3",
            "AWS_REGION": "here",
            "GOOGLE_SERVICE_ACCOUNT": str(folder / "account.json"),
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": self.url,
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[Buckets]:
        handler = type("Handler", (_Handler,), {"buckets": self})
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    buckets: Buckets

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        self.buckets.requests.append(f"{self.command} {self.path}")
        self.buckets.tokens.append(self.headers.get("Authorization", ""))
        url = urlsplit(self.path)
        place = unquote(url.path).strip("/").removeprefix(f"{_AZURE_ACCOUNT}/")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.buckets.status:
            self._send(self.buckets.status, b"<Error><Code>Refused</Code><Message>no</Message></Error>")
        elif "list-type" in query:
            self._send(200, _as_s3(self._listed(place, query.get("prefix", ""))))
        elif query.get("comp") == "list":
            self._send(200, _as_azure(self._listed(place, query.get("prefix", ""))))
        elif place not in self.buckets.objects:
            self._send(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
        else:
            data = self.buckets.objects[place]
            self._send_object(data)
            if self.command == "GET":
                self.buckets.on_read(place)

    def _listed(self, bucket: str, prefix: str) -> dict[str, bytes]:
        start = f"{bucket}/{prefix}"
        cut = len(bucket) + 1
        return {key[cut:]: data for key, data in sorted(self.buckets.objects.items()) if key.startswith(start)}

    def _send_object(self, data: bytes) -> None:
        headers = {"ETag": _etag(data), "Last-Modified": _DATE, "Content-Type": "application/octet-stream"}
        wanted = self.headers.get("Range") or self.headers.get("x-ms-range")
        if wanted is None:
            self._send(200, data, headers)
            return
        start, end = wanted.removeprefix("bytes=").split("-")
        last = min(int(end), len(data) - 1)
        part = {"Content-Range": f"bytes {start}-{last}/{len(data)}"}
        self._send(206, data[int(start) : last + 1], {**headers, **part})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {"Content-Type": "application/xml"}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _as_s3(found: Mapping[str, bytes]) -> bytes:
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>{_etag(data)}</ETag><Size>{len(data)}</Size></Contents>"
        for key, data in found.items()
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()


def _as_azure(found: Mapping[str, bytes]) -> bytes:
    blobs = "".join(
        f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{_DATE}</Last-Modified>"
        f"<Content-Length>{len(data)}</Content-Length><Content-Type>x/y</Content-Type><Etag>{_etag(data)}</Etag>"
        "</Properties></Blob>"
        for key, data in found.items()
    )
    return f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>".encode()


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'
