"""Settings: where they come from, how long they hold, and that their document is true."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import os
import pickle
import re
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import rehub
from rehub import Settings, configuration
from rehub.errors import HubError, SettingError

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \|(.*?)\|(.*?)\| `(.*?)` \|(.+)\|$", DOCUMENT, flags=re.MULTILINE)

MIRRORS = (("https://a.test", "http://b.test:8/c"), ("https://d", "https://e"))

# What each variable may be set to, and what that means.
GOOD = {
    "TFHUB_CACHE_DIR": ("models", "models"),
    "TFHUB_MODEL_LOAD_FORMAT": ("UNCOMPRESSED", "UNCOMPRESSED"),
    "TFHUB_DOWNLOAD_PROGRESS": ("0", True),
    "TFHUB_DISABLE_CERT_VALIDATION": ("true", False),
    "REHUB_CA_BUNDLE": ("ca.pem", "ca.pem"),
    "REHUB_PROGRESS": ("0", False),
    "REHUB_MIRRORS": ("https://a.test = http://b.test:8/c , https://d=https://e", MIRRORS),
    "REHUB_MIRROR": ("https://a.test:8/b", "https://a.test:8/b"),
    "REHUB_OFFLINE": ("Yes", True),
    "REHUB_TIMEOUT_S": ("2.5", 2.5),
    "REHUB_RETRIES": ("0", 0),
    "REHUB_CONNECTIONS": ("2", 2),
    "REHUB_UNVERSIONED_TTL_S": ("inf", float("inf")),
    "REHUB_MIN_BYTES_PER_S": ("10", 10.0),
    "REHUB_LOCK_TIMEOUT_S": ("7", 7.0),
    "REHUB_TOKEN": ("s3cret", "s3cret"),
    "REHUB_TOKEN_HOST": ("hub.test", "hub.test"),
    "REHUB_CREDENTIALS_FILE": ("tokens.json", "tokens.json"),
    "REHUB_MEMO": ("1", True),
    "REHUB_OP_POLICY": ("refuse", "refuse"),
    "REHUB_OP_POLICY_ALLOW": ("ReadFile, https://a.test/b,,/models", ("ReadFile", "https://a.test/b", "/models")),
    "REHUB_LOCKFILE": ("rehub.lock", "rehub.lock"),
    "REHUB_READONLY_CACHE": ("temporary", "temporary"),
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in configuration.variables():
        monkeypatch.delenv(name, raising=False)


def test_document_lists_every_setting_with_its_default() -> None:
    defaults = {name: default for name, _, _, default, _ in ROWS}
    assert defaults == {field.name: str(field.default) for field in dataclasses.fields(Settings)}


def test_document_lists_every_variable_at_its_setting() -> None:
    listed = {variable: name for name, cell, *_ in ROWS for variable in re.findall(r"\w+", cell)}
    assert listed == dict(configuration.variables())


def test_document_names_every_variable_that_the_code_names() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    variable = r"\b(?:(?:TFHUB|REHUB|KAGGLE|KERAS|TF_USE)_[A-Z][A-Z_]+|[A-Z]+_PROXY|NO_COLOR|NETRC)\b"
    named = set(re.findall(variable, code))
    assert len(named) > 20
    assert not {name for name in named if not re.search(rf"\b{name}\b", DOCUMENT)}


def test_docstring_names_every_variable_at_its_setting() -> None:
    entries = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", inspect.getdoc(Settings) or "", flags=re.MULTILINE)
    assert [name for name, _ in entries] == [field.name for field in dataclasses.fields(Settings)]
    for variable, name in configuration.variables().items():
        assert f"``{variable}" in dict(entries)[name] or variable == "TFHUB_DISABLE_CERT_VALIDATION"


@pytest.mark.parametrize("variable", configuration.variables())
def test_variable_sets_its_setting(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = GOOD[variable]
    monkeypatch.setenv(variable, text)
    assert configuration.current() == Settings(**{configuration.variables()[variable]: value})


def test_variables_are_read_of_whatever_stands_in_for_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(os, "environ", {"REHUB_RETRIES": "7"})
        assert configuration.current() == Settings(retries=7)


@pytest.mark.parametrize("variable", configuration.variables())
def test_empty_variable_is_as_good_as_none(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "")
    assert configuration.current() == Settings()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("TFHUB_MODEL_LOAD_FORMAT", "compressed"),
        ("TFHUB_DISABLE_CERT_VALIDATION", "maybe"),
        ("REHUB_PROGRESS", "2"),
        ("REHUB_MIRRORS", "https://a.test"),
        ("REHUB_MIRRORS", "https://a.test=b.test"),
        ("REHUB_MIRRORS", "https://a.test=https://b.test#part"),
        ("REHUB_MIRRORS", "https://a.test=https://b.test:99999"),
        ("REHUB_MIRRORS", "gs://a=https://b.test"),
        ("REHUB_MIRROR", "mirror.test"),
        ("REHUB_MIRROR", "gs://a"),
        ("REHUB_OFFLINE", "offline"),
        ("REHUB_MEMO", "x"),
        ("REHUB_OP_POLICY", "deny"),
        ("REHUB_OP_POLICY_ALLOW", "ReadFile,https://"),
        ("REHUB_OP_POLICY_ALLOW", "https://a.test#b"),
        ("REHUB_READONLY_CACHE", "1"),
        ("REHUB_TIMEOUT_S", "-1"),
        ("REHUB_TIMEOUT_S", "nan"),
        ("REHUB_RETRIES", "1.5"),
        ("REHUB_RETRIES", "-1"),
        ("REHUB_CONNECTIONS", "0"),
        ("REHUB_UNVERSIONED_TTL_S", "a day"),
        ("REHUB_LOCK_TIMEOUT_S", "1h"),
    ],
)
def test_variable_is_named_when_its_value_is_unknown(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingError, match=f"{variable} is '{text}'") as caught:
        rehub.resolve("https://hub.test/a/b/1")
    assert isinstance(caught.value, ValueError)
    assert caught.value.setting == variable
    assert caught.value.hint
    monkeypatch.delenv(variable)
    assert configuration.current() == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("load_format", "ZIP"),
        ("op_policy", "deny"),
        ("op_policy_allow", "ReadFile"),
        ("op_policy_allow", (1,)),
        ("op_policy_allow", ("",)),
        ("mirror", "mirror.test"),
        ("lockfile", 3),
        ("readonly_cache", None),
        ("timeout_s", -1),
        ("timeout_s", "3"),
        ("retries", -1),
        ("unversioned_ttl_s", float("nan")),
        ("lock_timeout_s", None),
        ("mirrors", "https://a.test=https://b.test"),
        ("mirrors", {"https://a.test": None}),
        ("mirrors", {"tfhub.dev": "https://b.test"}),
        ("offline", "0"),
        ("verify_tls", None),
        ("memo", 1),
        ("timeout_s", True),
        ("retries", 1.5),
        ("retries", True),
        ("connections", 0),
        ("connections", 65),
        ("cache_dir", 5),
        ("ca_bundle", 3),
        ("token", 5),
        ("token_host", b"hub.test"),
        ("credentials_file", 3),
        ("show_progress", "no"),
        ("progress", 3),
    ],
)
def test_settings_refuse_a_value_that_they_cannot_take(name: str, value: object) -> None:
    with pytest.raises(SettingError, match=name) as caught, rehub.settings(**{name: value}):
        pass
    assert caught.value.setting == name
    assert configuration.current() == Settings()


def test_variable_is_shown_without_the_login_of_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHUB_MIRRORS", "https://a.test=https://me:s3/cret@b.test")
    with pytest.raises(SettingError, match=r"is 'https://a\.test=https://…@b\.test'.*a login does not belong there"):
        configuration.current()


def test_settings_show_no_login_of_a_mirror() -> None:
    with pytest.raises(SettingError) as caught, rehub.settings(mirrors={"https://a.test": "https://me:s3cret@b.test"}):
        pass
    assert "'https://a.test', 'https://…@b.test'" in caught.value.message
    assert "a login does not belong there" in caught.value.hint


def test_settings_refuse_an_unknown_name() -> None:
    with pytest.raises(TypeError, match="ofline"), rehub.settings(ofline=True):
        pass


@pytest.mark.parametrize("name", ["cache_dir", "ca_bundle", "credentials_file", "lockfile"])
def test_settings_take_paths(name: str, tmp_path: Path) -> None:
    with rehub.settings(**{name: tmp_path}) as settings:
        assert getattr(settings, name) == str(tmp_path)


def test_settings_of_a_block_count_before_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", "variable")
    monkeypatch.setenv("REHUB_RETRIES", "9")
    with rehub.settings(cache_dir="block") as settings:
        assert (settings.cache_dir, settings.retries) == ("block", 9)
        assert configuration.current() == settings
    assert configuration.current().cache_dir == "variable"


def test_settings_of_an_inner_block_count_first() -> None:
    with rehub.settings(retries=1, cache_dir="outer"):
        with rehub.settings(retries=2) as inner:
            assert (inner.retries, inner.cache_dir) == (2, "outer")
        assert configuration.current().retries == 1
    assert configuration.current() == Settings()


def test_settings_end_with_an_error() -> None:
    with pytest.raises(HubError), rehub.settings(retries=1):
        raise HubError("x")
    assert configuration.current() == Settings()


def test_settings_object_stands_in_for_everything_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHUB_RETRIES", "nonsense")
    whole = Settings(cache_dir="object")
    with rehub.settings(whole, offline=True) as settings:
        assert settings == dataclasses.replace(whole, offline=True)
        with rehub.settings(timeout_s=1.0) as inner:
            assert inner == dataclasses.replace(settings, timeout_s=1.0)
            with rehub.settings(whole) as innermost:
                assert innermost == whole


def test_settings_decorate_a_function() -> None:
    @rehub.settings(retries=1)
    def retries() -> int:
        return configuration.current().retries

    assert [retries(), retries()] == [1, 1]
    assert configuration.current() == Settings()


def test_settings_stay_in_their_thread() -> None:
    seen: list[Settings] = []

    def work(settings: Settings | None) -> None:
        with rehub.settings(settings):
            seen.append(configuration.current())

    with rehub.settings(retries=1) as settings:
        for given in (None, settings):
            thread = threading.Thread(target=work, args=(given,))
            thread.start()
            thread.join()
    assert seen == [Settings(), Settings(retries=1)]


def test_settings_stay_in_their_task() -> None:
    async def work(retries: int) -> int:
        with rehub.settings(retries=retries):
            await asyncio.sleep(0.01)  # in which the other task begins its block
            inside = await asyncio.to_thread(configuration.current)
            assert inside == configuration.current()
            return inside.retries

    async def both() -> list[int]:
        with rehub.settings(timeout_s=1.0):
            found = await asyncio.gather(work(1), work(2))
            assert configuration.current() == Settings(timeout_s=1.0)
        return found

    assert asyncio.run(both()) == [1, 2]


def test_settings_of_a_generator_end_with_it() -> None:
    def numbers() -> Iterator[int]:
        with rehub.settings(retries=1):
            yield configuration.current().retries

    assert list(numbers()) == [1]
    assert configuration.current() == Settings()


def test_settings_end_when_another_task_closes_their_generator() -> None:
    async def numbers() -> AsyncIterator[int]:
        with rehub.settings(retries=1):
            yield configuration.current().retries

    async def main() -> int:
        generator = numbers()
        first = await asyncio.create_task(anext(generator))  # type: ignore[arg-type]
        await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]
        assert configuration.current() == Settings()
        return first

    assert asyncio.run(main()) == 1


def _retries(settings: Settings) -> tuple[int, int]:
    before = configuration.current().retries
    with rehub.settings(settings):
        return before, configuration.current().retries


def test_settings_can_be_given_to_another_process() -> None:
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        rehub.settings(retries=1, token="s3cret") as settings,
    ):
        assert pickle.loads(pickle.dumps(settings)) == settings
        assert pool.submit(_retries, settings).result(60) == (Settings().retries, 1)


def test_cache_dir_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("TFHUB_CACHE_DIR", "~/models")
    monkeypatch.setenv("REHUB_CREDENTIALS_FILE", "~/tokens.json")
    settings = configuration.current()
    assert (settings.cache_root, settings.credentials_path) == (tmp_path / "models", tmp_path / "tokens.json")
    assert Settings(cache_dir="~nobody-of-that-name/models").cache_root == Path("~nobody-of-that-name/models")
