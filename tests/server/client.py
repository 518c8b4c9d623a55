"""The API, asked step by step."""

from __future__ import annotations

import json
from typing import Any

from rehub.formats.manifest import write_manifest
from rehub.server import EmbeddedHub
from tests.manifests import manifest_of
from tests.server.conftest import Answer, ask_hub
from tests.server.publishing import FILES, NAME, blocks_of, content

API = "/api/v1/models"


class Client:
    """Publishes over HTTP, step by step."""

    def __init__(self, hub: EmbeddedHub, token: str | None) -> None:
        self._hub = hub
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        return ask_hub(self._hub, f"{API}/{path}", method, body=body, **self._headers)

    def begin(self, files: Any = FILES, name: str = NAME, query: str = "") -> Answer:
        return self.ask("POST", f"{name}/uploads{query}", write_manifest(manifest_of(files)))

    def put_block(self, sha: str, data: bytes, name: str = NAME, upload: str = content()) -> Answer:
        return self.ask("PUT", f"{name}/uploads/{upload}/blocks/{sha}", data)

    def commit(self, name: str = NAME, upload: str = content(), **values: Any) -> Answer:
        return self.ask("POST", f"{name}/uploads/{upload}/commit", json.dumps(values).encode())

    def publish(self, files: Any = FILES, name: str = NAME, **values: Any) -> Answer:
        blocks = blocks_of(files)
        begun = said(self.begin(files, name))
        for missing in begun["missing"]:
            assert self.put_block(missing, blocks[missing], name, begun["upload"]).status == 204
        done = self.commit(name, begun["upload"], **values)
        while done.status == 202:  # it takes its time
            done = self.commit(name, begun["upload"], **values)
        return done


def said(answer: Answer) -> Any:
    return json.loads(answer.body)
