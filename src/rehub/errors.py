"""Every exception that rehub raises on purpose.

::

    HubError
    ├── HandleError (ValueError)                    the text is no handle
    ├── SettingError (ValueError)                   a setting, or a file of credentials, holds what it cannot hold
    ├── ResolveError                                a handle leads nowhere
    │   ├── NotFoundError (FileNotFoundError, ValueError)
    │   └── AccessError (PermissionError)           401 and 403: a token or a consent is missing
    ├── TransferError (OSError)                     bytes did not arrive as they were sent
    │   ├── OfflineError                            no network, or offline mode
    │   └── ChecksumError                           bytes arrived, but not those that were published
    ├── CacheError (OSError)                        the cache folder cannot be used
    │   └── LockTimeout (TimeoutError)
    ├── StoreError (OSError)                        the object store behind a hub does not do what it is asked
    ├── FormatError (ValueError)                    files that are no model, or a damaged one
    ├── SignatureError (ValueError)                 the model is fine, the way it is called is not
    │   └── ArgumentError (TypeError)               an input of a TF1 module is missing, surplus, or of another kind
    ├── PolicyError                                 refused by a setting
    ├── ConversionError
    ├── ComparisonError (ValueError)                examples that no models can be compared on, or no model that runs
    ├── DataError (ValueError)                      data that a model cannot be run on, or an index not be made of
    ├── TrainingError (ValueError)                  examples that no model can be trained on
    ├── PublishError (ValueError)                   a model or module cannot be made, written or published
    │   ├── ConflictError                           a version exists already, with other files
    │   ├── IncompleteError                         blocks of an upload are missing
    │   └── LimitError                              more than this hub takes
    ├── DependencyError (ImportError)               a library is missing, too old, or the wrong one
    └── UsageError (RuntimeError)                   right call, wrong place or time
        └── NoConfigError (NotImplementedError)     a layer that Keras cannot write down; Keras looks for that class

Each also is the built-in class that callers of tensorflow_hub catch at the same place.
"""

from __future__ import annotations

from typing import Any

_TROUBLESHOOTING = "docs/troubleshooting.md"


def _restore(cls: type[HubError], args: tuple[Any, ...], state: dict[str, Any]) -> HubError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class HubError(Exception):
    """Base of all rehub errors.

    Args:
        message: What happened, with values.
        hint: What to do next; printed after the message.
        **facts: Values for the fields that the class declares.

    Raises:
        TypeError: If a fact is not a field of the class.
    """

    message: str
    hint: str

    # AutoGraph and Keras replace errors that pass through them by copies, or by another class, without the fields. They
    # leave those alone that bear these marks.
    ag_pass_through = True
    _keras_call_info_injected = True

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        for name in facts:
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
        space = "" if message.endswith("\n") else " "
        super().__init__(f"{message}{space}{hint}" if hint else message)
        self.message = message
        self.hint = hint
        self.__dict__.update(facts)

    @property
    def page(self) -> str:
        """The section of the documentation about errors of this class: a file of the repository, with an anchor."""
        own = next(cls for cls in type(self).__mro__ if cls.__module__ == __name__)
        return f"{_TROUBLESHOOTING}#{own.__name__.lower()}"

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, dict(self.__dict__))


class HandleError(HubError, ValueError):
    """The text is not a handle that rehub can read."""

    handle: object = None


class SettingError(HubError, ValueError):
    """A setting, an environment variable, or a file of credentials holds what it cannot hold.

    ``setting`` is the name of the variable or of the field of `rehub.Settings`; empty for files.
    """

    setting: str = ""


class ResolveError(HubError):
    """A handle is well-formed, but no model can be had by it."""

    handle: str = ""
    url: str = ""
    status: int | None = None


class NotFoundError(ResolveError, FileNotFoundError, ValueError):
    """No such model or version.

    A ``ValueError`` too, because tensorflow_hub raised that for paths that do not exist.
    """

    versions: tuple[str, ...] = ()


class AccessError(ResolveError, PermissionError):
    """The server wants credentials, or refuses the ones it got.

    ``credentials`` says which ones were sent, without the secret; empty for none.
    """

    credentials: str = ""


class TransferError(HubError, OSError):
    """A download broke, or the answer is not what the protocol promises."""

    url: str = ""
    status: int | None = None
    content_type: str = ""


class OfflineError(TransferError):
    """The network is switched off by a setting, or out of reach."""


class ChecksumError(TransferError):
    """The bytes are not the published ones.

    ``expected`` and ``actual`` are lower-case sha256 hex digests.
    """

    expected: str = ""
    actual: str = ""


class CacheError(HubError, OSError):
    """The cache folder cannot be read, written or locked."""

    path: str = ""


class LockTimeout(CacheError, TimeoutError):  # noqa: N818 - named like the built-in it extends
    """Another process kept a lock for longer than the timeout allows."""

    owner: str = ""


class StoreError(HubError, OSError):
    """The object store behind a hub cannot be reached, is full, or does not do what it is asked.

    ``store`` is its URL, ``key`` the object; ``is_full`` tells that there is no space left.
    """

    store: str = ""
    key: str = ""
    is_full: bool = False


class FormatError(HubError, ValueError):
    """Files are not a model, or not whole."""

    path: str = ""
    member: str = ""


class SignatureError(HubError, ValueError):
    """A signature, output, tag set or input does not fit the model.

    ``available`` lists what the model has instead; ``tensors``, where an output was asked for, the tensors inside.
    """

    handle: str = ""
    available: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()


class ArgumentError(SignatureError, TypeError):
    """What a TF1 module is called with is not what its signature takes."""


class PolicyError(HubError):
    """A setting refuses this model."""


class ConversionError(HubError):
    """A model cannot be converted.

    Attributes:
        ops: The types of the ops that stand in the way.
    """

    ops: tuple[str, ...] = ()


class ComparisonError(HubError, ValueError):
    """Models cannot be compared: by what they are compared on, or because none of them runs."""


class DataError(HubError, ValueError):
    """Data cannot be read, or do not fit what is to be done with them.

    ``path`` is the file or folder.
    """

    path: str = ""


class TrainingError(HubError, ValueError):
    """No model can be trained: by what it is to be trained on.

    ``path`` is the file or folder of the examples; ``broken`` names those that cannot be used: image files, or lines of
    a table.
    """

    path: str = ""
    broken: tuple[str, ...] = ()


class PublishError(HubError, ValueError):
    """A model or module cannot be made, written or published."""


class ConflictError(PublishError):
    """A version exists already with other files, or existed: what is published never changes."""


class IncompleteError(PublishError):
    """An upload cannot be published yet.

    ``missing`` has the sha256 of the blocks that are still to be sent, also of those that were sent and then damaged;
    without any, it is enough to try again.
    """

    missing: tuple[str, ...] = ()


class LimitError(PublishError):
    """A model is larger than a hub takes."""


class DependencyError(HubError, ImportError):
    """A library is missing, too old, or another one than this call needs."""

    package: str = ""
    found: str = ""
    required: str = ""


class UsageError(HubError, RuntimeError):
    """A correct call at a place or time where it cannot work."""


class NoConfigError(UsageError, NotImplementedError):
    """A layer cannot be written down, because its model is an object in memory."""


class ExportWarning(UserWarning):
    """Something that made the training of a model what it was is not part of what is exported."""
