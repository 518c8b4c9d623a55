"""What the client of the Hugging Face Hub raises, as errors of rehub. No message has a token or a signature."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from rehub.errors import AccessError, HubError, NotFoundError, OfflineError, TransferError
from rehub.handle import Handle, parse

_LOGIN = "run: hf auth login, or set HF_TOKEN"
_QUERY = re.compile(r"\?\S*")
_NO_NETWORK = ("ConnectError", "ConnectTimeout", "ConnectionError", "ProxyError")


@contextlib.contextmanager
def translated(hub: Any, handle: Handle, credentials: str, revisions: Callable[[], tuple[str, ...]]) -> Iterator[None]:
    """Translates errors.

    Args:
        hub: The module ``huggingface_hub``.
        handle: Whose model is asked for.
        credentials: What was sent to show who asks, for messages; empty for nothing.
        revisions: Asks for the branches and tags of the repository.

    Raises:
        HubError: In place of what the block raises, except errors of the disk.
    """
    errors = hub.errors
    xet = getattr(errors, "XetDownloadError", errors.HTTPError)
    try:
        yield
    except HubError:
        raise
    except errors.HfHubHTTPError as error:
        raise _refused(hub, handle, error, credentials, revisions) from error
    except errors.OfflineModeIsEnabled as error:
        raise OfflineError(
            f"{handle.asked} is not asked for: huggingface_hub is offline.",
            hint="Unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE.",
            url=handle.location,
        ) from error
    except (errors.HTTPError, xet, errors.EntryNotFoundError, errors.FileMetadataError) as error:
        raise _broken(hub, handle, error, credentials, revisions) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _failed(handle, error) from error
    except RuntimeError as error:  # of the client's own protocol for large files
        raise _failed(handle, error) from error


def _broken(
    hub: Any, handle: Handle, error: Exception, credentials: str, revisions: Callable[[], tuple[str, ...]]
) -> HubError:
    """Makes the error for a file that was not received; what the server said is the cause of what the client says."""
    cause = error.__cause__
    if isinstance(cause, hub.errors.HfHubHTTPError):
        return _refused(hub, handle, cause, credentials, revisions)
    return _failed(handle, cause if isinstance(cause, hub.errors.HTTPError) else error)


def _failed(handle: Handle, error: BaseException) -> TransferError:
    kind = type(error).__name__
    said = _QUERY.sub("?…", str(error).strip().partition("\n")[0])[:300]
    is_unreachable = any(base.__name__ in _NO_NETWORK for base in type(error).__mro__)
    return (OfflineError if is_unreachable else TransferError)(
        f"{handle.asked} cannot be fetched: {kind}{f', {said}' if said else ''}.".replace("..", "."),
        hint="Check the network, HTTPS_PROXY and HF_ENDPOINT, and try again.",
        url=handle.location,
    )


def _refused(
    hub: Any, handle: Handle, error: Any, credentials: str, revisions: Callable[[], tuple[str, ...]]
) -> HubError:
    errors, repository = hub.errors, parse(handle.text).repository
    assert repository is not None, "chosen by its kind"
    status = error.response.status_code
    url = f"https://huggingface.co/{repository.name}"
    facts: dict[str, Any] = {"handle": handle.text, "url": url, "status": status}
    if isinstance(error, errors.GatedRepoError):
        return AccessError(
            f"{handle.asked} may be read only by those who accepted its terms (status {status}).",
            hint=f"Open {url}, log in and accept them; then {_LOGIN}.",
            credentials=credentials,
            **facts,
        )
    if isinstance(error, errors.RevisionNotFoundError):
        known = _known(revisions)
        there = f"; there are {', '.join(known[:20])}" if known else ""
        return NotFoundError(
            f"{repository.name} has no revision {repository.revision!r}{there}.",
            hint="Name a branch, a tag or a commit. In hf:// a slash in its name is written %2F.",
            versions=known,
            **facts,
        )
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403):
        sent = f"with {credentials}" if credentials else "without a login"
        if status == 403 or (credentials and status == 401):
            return AccessError(
                f"{handle.asked} may not be read {sent} (status {status}).",
                hint=f"Open {url} to see whether this account may read it; then {_LOGIN}.",
                credentials=credentials,
                **facts,
            )
        return NotFoundError(
            f"there is no repository {repository.name} on the Hugging Face Hub that can be read {sent} "
            f"(status {status}).",
            hint=f"Check its spelling at {url}. If it is private, {_LOGIN}.",
            **facts,
        )
    if status == 404:
        return NotFoundError(
            f"{repository.name} has no folder {repository.folder!r} at revision {repository.revision!r}.",
            hint=f"Look for it at {url}/tree/{repository.revision}",
            **facts,
        )
    return TransferError(
        f"{handle.asked} cannot be fetched: the Hugging Face Hub answers with status {status}.",
        hint="Try again later." if status == 429 or status >= 500 else "Check the URL, and HF_ENDPOINT.",
        url=url,
        status=status,
    )


def _known(revisions: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return revisions()
    except Exception:  # noqa: BLE001 - only for the message, whatever the client may raise
        return ()
