"""Repositories of models on the Hugging Face Hub: ``hf://OWNER/NAME[@REVISION][/FOLDER]`` read into its parts. Pure.

Source of the form: the documentation of huggingface_hub, "HF URIs".
"""

from __future__ import annotations

import dataclasses
import re
from urllib.parse import unquote

from rehub.errors import HandleError

DEFAULT_REVISION = "main"

_FORM = "A model reads hf://OWNER/NAME[@REVISION][/FOLDER]."
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
# They have a slash, and are no beginning of a folder; of other revisions a slash is written %2F.
_REF = re.compile(r"refs/(?:pr/[0-9]+|convert/[\w.-]+)(?=/|$)")
_NO_MODELS = frozenset({"datasets", "spaces", "buckets", "kernels"})
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


@dataclasses.dataclass(frozen=True)
class Repository:
    """A folder of a repository, at a revision.

    Attributes:
        name: ``OWNER/NAME``.
        revision: A branch, a tag, a ref or a commit.
        folder: The folder in it, without slashes around it; empty for all of it.
    """

    name: str
    revision: str = DEFAULT_REVISION
    folder: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether the revision is a commit, which never changes."""
        return _COMMIT.fullmatch(self.revision) is not None

    @property
    def location(self) -> str:
        """The URL, in the one spelling that it has in the cache."""
        revision = self.revision if _REF.fullmatch(self.revision) else self.revision.replace("/", "%2F")
        at = "" if revision == DEFAULT_REVISION else f"@{revision}"
        return f"hf://{self.name}{at}{'/' if self.folder else ''}{self.folder}"

    def at(self, revision: str) -> Repository:
        """Returns the same folder at another revision."""
        return dataclasses.replace(self, revision=revision)


def read_repository(url: str) -> Repository:
    """Reads the URL of a repository, without its fragment.

    Raises:
        HandleError: If it is none of a model.
    """
    rest = url.partition("://")[2].strip("/")
    first, _, after = rest.partition("/")
    if first == "models" and "/" in after:
        rest = after
    elif first in _NO_MODELS:
        raise HandleError(f"{url!r} is in {first}, not a model.", hint=_FORM, handle=url)
    owner, _, rest = rest.partition("/")
    end = min((at for at in map(rest.find, "@/") if at >= 0), default=len(rest))
    name, rest = rest[:end], rest[end:]
    revision = DEFAULT_REVISION
    if rest.startswith("@"):
        ref = _REF.match(rest[1:])
        text = ref[0] if ref else rest[1:].partition("/")[0]
        revision, rest = unquote(text), rest[1 + len(text) :]
    found = Repository(f"{owner}/{name}", revision, rest.strip("/"))
    _check(found, url)
    return found


def _check(found: Repository, url: str) -> None:
    owner, _, name = found.name.partition("/")
    if not (_NAME.fullmatch(owner) and _NAME.fullmatch(name)):
        raise HandleError(f"{url!r} names no repository.", hint=_FORM, handle=url)
    if not found.revision or not found.revision.isprintable() or found.revision.isspace() or ".." in found.revision:
        raise HandleError(f"{url!r} names no revision.", hint=_FORM, handle=url)
    segments = found.folder.split("/") if found.folder else []
    if any(segment in ("", ".", "..") or "\\" in segment for segment in segments):
        raise HandleError(f"{url!r} names no folder of a repository.", hint=_FORM, handle=url)
    if found.folder.lower().endswith(_ARCHIVES):
        raise HandleError(
            f"{url!r} is a file, and hf:// leads to folders.",
            hint=f"Use https://huggingface.co/{found.name}/resolve/{found.revision}/{found.folder}",
            handle=url,
        )
