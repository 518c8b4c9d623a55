"""A transport without a network, for tests."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping

from rehub.errors import OfflineError
from rehub.transport import redirects
from rehub.transport.credential import Authorize, Credential


@dataclasses.dataclass(frozen=True)
class MemoryResponse:
    """An answer that is known beforehand. See `rehub.transport.interface.Response`.

    Attributes:
        body: Given as one chunk.
        status: The HTTP status.
        headers: By lower-case name.
        url: Filled in by the transport.
        credential: Filled in by the transport.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    url: str = ""
    credential: Credential | None = None

    @property
    def redirect(self) -> str | None:
        """The absolute URL to which a redirect leads that was not followed, else None."""
        return redirects.target(self.url, self)

    def close(self) -> None:
        """Does nothing."""

    def chunks(self) -> Iterator[bytes]:
        """Gives the body."""
        yield self.body


class MemoryTransport:
    """Answers from a table; redirects are followed as over the network.

    Args:
        answers: URL to its answer, or to what makes the answer from the headers that were sent. Others are out of
            reach.

    Attributes:
        requests: URL and headers of each request, in their order.
    """

    def __init__(self, answers: Mapping[str, MemoryResponse | Callable[[Mapping[str, str]], MemoryResponse]]) -> None:
        self._answers = answers
        self.requests: list[tuple[str, Mapping[str, str]]] = []

    @contextlib.contextmanager
    def kept(self) -> Iterator[MemoryTransport]:
        """Gives this transport. See `rehub.transport.interface.Transport`."""
        yield self

    @contextlib.contextmanager
    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        follow: bool = True,
        authorize: Authorize | None = None,
    ) -> Iterator[MemoryResponse]:
        """Asks for a URL. See `rehub.transport.interface.Transport`."""
        url, answer, credential = redirects.ask(self._send, url, headers or {}, follow=follow, authorize=authorize)
        yield dataclasses.replace(answer, url=url, credential=credential)

    def _send(self, url: str, headers: Mapping[str, str]) -> MemoryResponse:
        self.requests.append((url, headers))
        if url not in self._answers:
            raise OfflineError(f"{url} is not in the table of answers.", hint="Add it.", url=url)
        answer = self._answers[url]
        return answer if isinstance(answer, MemoryResponse) else answer(headers)
