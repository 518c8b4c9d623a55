"""Every error: what it says, what it carries, and whom it is caught by."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Callable

import pytest

from rehub import errors
from rehub.errors import HubError
from rehub.resolvers.answers import LinkRefused
from rehub.transport.interface import ContentLost

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, HubError)] + [
    ContentLost,
    LinkRefused,
]

# The fields of each class beside those of its parents, with a value; and what else it is.
FIELDS: dict[str, dict[str, object]] = {
    "HandleError": {"handle": ["no", "text"]},
    "SettingError": {"setting": "REHUB_OFFLINE"},
    "ResolveError": {"handle": "https://h/a", "url": "https://h/a?x", "status": 404},
    "NotFoundError": {"versions": ("1", "2")},
    "AccessError": {"credentials": "the token for https://h"},
    "TransferError": {"url": "https://h/a", "status": 500, "content_type": "text/html"},
    "ChecksumError": {"expected": "0" * 64, "actual": "1" * 64},
    "CacheError": {"path": "/cache"},
    "LockTimeout": {"owner": "process 7"},
    "StoreError": {"store": "s3://bucket", "key": "acme/net/1", "is_full": True},
    "FormatError": {"path": "/m", "member": "saved_model.pb"},
    "SignatureError": {"handle": "https://h/a", "available": ("default",)},
    "DataError": {"path": "reviews.csv"},
    "IncompleteError": {"missing": ("0" * 64,)},
    "DependencyError": {"package": "tensorflow", "found": "2.10", "required": "2.15"},
}
BUILT_IN = {
    "HandleError": ValueError,
    "SettingError": ValueError,
    "NotFoundError": (FileNotFoundError, ValueError),
    "AccessError": PermissionError,
    "TransferError": OSError,
    "OfflineError": OSError,
    "ChecksumError": OSError,
    "CacheError": OSError,
    "LockTimeout": TimeoutError,
    "StoreError": OSError,
    "FormatError": ValueError,
    "SignatureError": ValueError,
    "ArgumentError": TypeError,
    "ComparisonError": ValueError,
    "DataError": ValueError,
    "TrainingError": ValueError,
    "PublishError": ValueError,
    "DependencyError": ImportError,
    "UsageError": RuntimeError,
    "NoConfigError": NotImplementedError,
}


def facts(cls: type[HubError]) -> dict[str, object]:
    return {name: value for parent in cls.__mro__ for name, value in FIELDS.get(parent.__name__, {}).items()}


def by_pickle(protocol: int) -> Callable[[HubError], HubError]:
    return lambda error: pickle.loads(pickle.dumps(error, protocol))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, *map(by_pickle, range(pickle.HIGHEST_PROTOCOL + 1))])
def test_error_is_the_same_when_it_is_copied(cls: type[HubError], copied: Callable[[HubError], HubError]) -> None:
    error = cls("It broke.", hint="Mend it.", **facts(cls))
    error.extra = "set later"  # type: ignore[attr-defined]
    same = copied(error)
    assert type(same) is cls
    assert (same.args, vars(same), str(same)) == (error.args, vars(error), str(error))
    assert {name: getattr(same, name) for name in facts(cls)} == facts(cls)


@pytest.mark.parametrize("cls", CLASSES)
def test_error_says_what_happened_and_what_to_do(cls: type[HubError]) -> None:
    error = cls("It broke.", hint="Mend it.")
    assert (str(error), error.message, error.hint) == ("It broke. Mend it.", "It broke.", "Mend it.")
    assert (str(cls("It broke.")), cls("It broke.").hint) == ("It broke.", "")
    assert str(cls("It broke:\n  x\n", hint="Mend it.")) == "It broke:\n  x\nMend it."


@pytest.mark.parametrize("cls", CLASSES)
def test_error_has_its_fields_whether_they_are_given_or_not(cls: type[HubError]) -> None:
    error, bare = cls("It broke.", **facts(cls)), cls("It broke.")
    for name, value in facts(cls).items():
        assert getattr(error, name) == value
        assert not getattr(bare, name)


@pytest.mark.parametrize("cls", CLASSES)
def test_error_refuses_an_unknown_field(cls: type[HubError]) -> None:
    with pytest.raises(TypeError, match=f"{cls.__name__} has no field 'colour'"):
        cls("It broke.", colour="red")


@pytest.mark.parametrize("cls", CLASSES)
def test_error_is_the_built_in_that_callers_catch(cls: type[HubError]) -> None:
    expected = [BUILT_IN[parent.__name__] for parent in cls.__mro__ if parent.__name__ in BUILT_IN]
    for built_in in expected:
        wanted = built_in if isinstance(built_in, tuple) else (built_in,)
        assert all(issubclass(cls, one) for one in wanted)
    if not expected:
        assert cls.__mro__[1:] in ((HubError, *HubError.__mro__[1:]), HubError.__mro__[1:])


def test_document_of_errors_draws_every_class_below_its_parent() -> None:
    lines = (errors.__doc__ or "").splitlines()
    indents = {words[0]: len(line) - len(line.lstrip(" │├└─")) for line in lines if (words := re.findall(r"\w+", line))}
    for cls in CLASSES:
        if cls.__module__ == errors.__name__ and cls is not HubError:
            assert indents[cls.__name__] == indents[cls.__bases__[0].__name__] + 4
