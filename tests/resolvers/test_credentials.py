"""Which credentials go to which server, with servers that exist only in memory."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.configuration import Settings
from rehub.errors import AccessError, HubError, SettingError
from rehub.resolvers.chain import resolve_with
from rehub.resolvers.credentials import known
from rehub.resolvers.token_file import read_tokens, remove_token, store_token
from rehub.transport.credential import Credential
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample

HANDLE = "https://hub.test/acme/net/2"
KAGGLE = "https://www.kaggle.com/models/google/nnlm/tensorFlow2/en-dim128/1"
KAGGLE_LONG = "https://www.kaggle.com/models/google/nnlm/frameworks/tensorFlow2/variations/en-dim128/versions/1"
STORE = "https://storage.test/blob?signature=1"
MODEL = MemoryResponse(sample.archive())
BEARER = "Bearer s3cret"
BASIC = "Basic " + base64.b64encode(b"me:s3cret").decode()


def redirect(location: str) -> MemoryResponse:
    return MemoryResponse(status=302, headers={"location": location})


def asked(handle: str) -> str:
    return f"{handle}?tf-hub-format=compressed"


def sent(handle: str, table: dict[str, MemoryResponse] | None = None) -> list[str | None]:
    """Resolves a handle, and returns what showed each server on the way who asks."""
    transport = MemoryTransport({asked(handle): MODEL} if table is None else table)
    resolve_with(handle, configuration.current(), transport)
    return [headers.get("Authorization") for _, headers in transport.requests]


def refused(handle: str, status: int = 403, url: str = "") -> AccessError:
    with pytest.raises(AccessError) as caught:
        sent(handle, {url or asked(handle): MemoryResponse(status=status)})
    return caught.value


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tokens.json"
    monkeypatch.setenv("REHUB_CREDENTIALS_FILE", str(path))
    return path


def tokens(path: Path, **hosts: str) -> Path:
    return write(path, json.dumps({"tokens": hosts}))


def test_resolve_sends_nothing_when_there_are_no_credentials() -> None:
    assert sent(HANDLE) == [None]


@pytest.mark.parametrize(
    "host", ["hub.test", "hub.test:443", "https://hub.test", "https://HUB.test/acme/net/2", " hub.test "]
)
def test_resolve_sends_the_token_of_the_variable_to_its_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHUB_TOKEN", "s3cret\n")
    monkeypatch.setenv("REHUB_TOKEN_HOST", host)
    assert sent(HANDLE) == [BEARER]


@pytest.mark.parametrize(
    "host", ["other.test", "hub.test:8443", "http://hub.test", "sub.hub.test", "test", "hub.test.evil"]
)
def test_resolve_sends_the_token_of_the_variable_to_no_other_host(host: str) -> None:
    with rehub.settings(token="s3cret", token_host=host):
        assert sent(HANDLE) == [None]


@pytest.mark.parametrize(
    "host", [None, "", "a b", "https://", "ftp://hub.test", "me@hub.test", "https://me:pa$$@hub.test", "hub.test:x"]
)
def test_resolve_refuses_a_token_that_is_for_no_host(host: str | None) -> None:
    with (
        rehub.settings(token="s3cret", token_host=host),
        pytest.raises(SettingError, match="REHUB_TOKEN_HOST") as caught,
    ):
        sent(HANDLE)
    assert caught.value.setting == "REHUB_TOKEN_HOST"
    assert "pa$$" not in str(caught.value)
    assert "s3cret" not in f"{caught.value} {vars(caught.value)}"


@pytest.mark.parametrize("token", ["s3cret\nX-Header: 1", "s3 cret", "s3crét", "  "])
def test_resolve_refuses_a_token_that_cannot_be_sent(token: str) -> None:
    with rehub.settings(token=token, token_host="hub.test"), pytest.raises(SettingError, match="REHUB_TOKEN") as caught:
        sent(HANDLE)
    assert "s3" not in f"{caught.value} {vars(caught.value)}"


def test_settings_and_credentials_do_not_show_the_token() -> None:
    assert "s3cret" not in repr(Settings(token="s3cret"))
    assert "s3cret" not in repr(Credential.bearer("s3cret", "a token"))


def test_resolve_sends_the_tokens_of_the_file_to_their_hosts(token_file: Path) -> None:
    tokens(token_file, **{"hub.test": "s3cret", "https://other.test:8443": "more"})
    assert sent(HANDLE) == [BEARER]
    assert sent("https://other.test:8443/acme/net/1") == ["Bearer more"]
    assert sent("https://other.test/acme/net/1") == [None]


def test_resolve_reads_the_file_in_the_folder_of_the_user(home: Path) -> None:
    with rehub.settings() as settings:
        tokens(settings.credentials_path, **{"hub.test": "s3cret"})
    assert settings.credentials_path.is_relative_to(home)
    assert sent(HANDLE) == [BEARER]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"hub.test": "s3cret"}', '{"tokens": {"hub.test": 1}}', '{"tokens": {"a b": "s3cret"}}', "\xff"],
)
def test_resolve_names_the_file_of_tokens_when_it_is_broken(token_file: Path, text: str) -> None:
    write(token_file, "").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingError, match=r"tokens\.json") as caught:
        sent(HANDLE)
    assert "s3cret" not in f"{caught.value} {vars(caught.value)}"


def test_resolve_names_the_file_of_tokens_when_it_may_not_be_read(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: bool) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    for name in ("stat", "open", "read_bytes"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(SettingError, match=r"tokens\.json cannot be read: Permission denied") as caught:
        read_tokens(token_file)
    assert "REHUB_CREDENTIALS_FILE" in caught.value.hint


@pytest.mark.parametrize("home", ["missing/folder", "file"])
def test_read_tokens_finds_none_when_there_can_be_no_file(tmp_path: Path, home: str) -> None:
    (tmp_path / "file").write_text("")
    assert read_tokens(tmp_path / home / "tokens.json") == {}


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_resolve_warns_when_others_may_read_the_file_of_tokens(token_file: Path, mode: int) -> None:
    tokens(token_file, **{"hub.test": "s3cret"}).chmod(mode)
    with pytest.warns(UserWarning, match="chmod 600"):
        assert sent(HANDLE) == [BEARER]


def test_store_token_makes_a_file_that_only_its_owner_reads(home: Path) -> None:
    path = home / "new" / "tokens.json"
    store_token(path, "hub.test", "s3cret")
    store_token(path, "https://other.test:8443/acme/net/1", "more")
    store_token(path, "localhost:8000", "old")
    store_token(path, "localhost:8000", "new\n")
    assert read_tokens(path) == {
        "https://hub.test": "s3cret",
        "https://other.test:8443": "more",
        "http://localhost:8000": "new",
    }
    assert [file.name for file in path.parent.iterdir()] == ["tokens.json"]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_store_token_keeps_a_link(home: Path) -> None:
    real = tokens(home / "dotfiles" / "tokens.json")
    link = home / "tokens.json"
    link.symlink_to(real)
    store_token(link, "hub.test", "s3cret")
    assert link.is_symlink()
    assert read_tokens(real) == {"https://hub.test": "s3cret"}


@pytest.mark.parametrize(
    ("host", "token"), [("http://hub.test", "s3cret"), ("a b", "s3cret"), ("hub.test", "s3 cret"), ("hub.test", "")]
)
def test_store_token_refuses_what_can_never_be_sent(home: Path, host: str, token: str) -> None:
    path = home / "tokens.json"
    with pytest.raises(SettingError) as caught:
        store_token(path, host, token)
    assert not path.exists()
    assert "cret" not in str(caught.value)


def test_store_token_leaves_the_old_file_when_it_cannot_write(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tokens(home / "tokens.json", **{"hub.test": "s3cret"})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingError, match="No space"):
        store_token(path, "other.test", "more")
    assert read_tokens(path) == {"https://hub.test": "s3cret"}
    assert [file.name for file in home.iterdir()] == ["tokens.json"]


def test_remove_token_forgets_one_server(home: Path) -> None:
    path = tokens(home / "tokens.json", **{"hub.test": "s3cret", "other.test": "more"})
    assert remove_token(path, "https://hub.test/")
    assert not remove_token(path, "hub.test")
    assert read_tokens(path) == {"https://other.test": "more"}


def kaggle_json(folder: Path) -> Path:
    return write(folder / "kaggle.json", json.dumps({"username": "me", "key": "s3cret"}))


@pytest.mark.parametrize("handle", [KAGGLE, KAGGLE_LONG, KAGGLE.replace("www.", "")])
def test_resolve_sends_the_kaggle_token_to_kaggle(handle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "s3cret")
    assert sent(handle, {asked(KAGGLE): MODEL}) == [BEARER]
    assert sent(HANDLE) == [None]
    assert sent("https://api.kaggle.com/a/b/1") == [None]


def test_resolve_finds_the_kaggle_account_where_kaggle_does(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sends(expected: str | None) -> None:
        with rehub.settings(cache_dir=str(tmp_path / os.urandom(4).hex())):
            assert sent(KAGGLE) == [expected]

    sends(None)
    kaggle_json(home / ".kaggle")
    sends(BASIC)
    kaggle_json(tmp_path / "elsewhere").write_text('{"username": "you", "key": "k"}')
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "elsewhere"))
    sends("Basic " + base64.b64encode(b"you:k").decode())
    monkeypatch.setenv("KAGGLE_USERNAME", "we")
    sends("Basic " + base64.b64encode(b"you:k").decode())
    monkeypatch.setenv("KAGGLE_KEY", "w")
    sends("Basic " + base64.b64encode(b"we:w").decode())
    write(home / ".kaggle" / "access_token.txt", "text\n")
    sends("Bearer text")
    write(home / ".kaggle" / "access_token", "token\n")
    sends("Bearer token")
    monkeypatch.setenv("KAGGLE_API_TOKEN", str(write(tmp_path / "token", "file\n")))
    sends("Bearer file")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "s3cret")
    sends(BEARER)


@pytest.mark.parametrize("text", ["{", "[]", '{"username": "me"}', '{"username": "me", "key": 1}', "\xff"])
def test_resolve_names_the_key_of_kaggle_when_it_is_broken(home: Path, text: str) -> None:
    write(home / ".kaggle" / "kaggle.json", "").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingError, match=r"kaggle\.json"):
        sent(KAGGLE)
    assert sent(HANDLE) == [None]


@pytest.mark.parametrize("place", [".netrc", "_netrc", "named"])
def test_resolve_sends_the_login_of_netrc(place: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / place, "machine hub.test login me password s3cret\n")
    if place == "named":
        monkeypatch.setenv("NETRC", str(home / place))
    assert sent(HANDLE) == [BASIC]
    assert sent("https://hub.test:8443/acme/net/1") == [BASIC]
    assert sent("https://sub.hub.test/acme/net/1") == [None]


def test_resolve_sends_nothing_to_a_host_that_netrc_does_not_name(home: Path) -> None:
    write(home / ".netrc", "default login me password s3cret\n")
    assert sent(HANDLE) == [None]
    assert sent("https://default/acme/net/1") == [None]
    assert known(configuration.current()) == ()


@pytest.mark.parametrize("text", ["machine hub.test login me password my s3cret\n", "\xff\xfe"])
def test_resolve_goes_on_without_netrc_when_it_is_broken(home: Path, text: str) -> None:
    write(home / ".netrc", "").write_bytes(text.encode("latin-1"))
    with pytest.warns(UserWarning, match=r"\.netrc") as caught:
        assert sent(HANDLE) == [None]
    assert all("s3cret" not in str(warning.message) for warning in caught)


def test_resolve_takes_the_first_that_has_something(
    home: Path, tmp_path: Path, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sends(expected: str) -> None:
        with rehub.settings(cache_dir=str(tmp_path / os.urandom(4).hex())):
            assert sent(KAGGLE) == [expected]

    write(home / ".netrc", "machine www.kaggle.com login me password s3cret\n")
    sends(BASIC)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "kaggle")
    sends("Bearer kaggle")
    tokens(token_file, **{"www.kaggle.com": "file"})
    sends("Bearer file")
    monkeypatch.setenv("REHUB_TOKEN", "variable")
    monkeypatch.setenv("REHUB_TOKEN_HOST", "www.kaggle.com")
    sends("Bearer variable")


@pytest.fixture
def login(home: Path, token_file: Path) -> None:
    """Credentials for one server of each kind."""
    tokens(token_file, **{"hub.test": "s3cret", "http://plain.test": "s3cret"})
    write(home / ".netrc", "machine netrc.test login me password s3cret\nmachine plain.test login me password s3cret\n")


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("handle", [HANDLE, "https://netrc.test/acme/net/2"])
@pytest.mark.parametrize(
    "location", [STORE, "https://{host}:444/blob", "https://sub.{host}/blob", "https://{host}.evil.test/blob"]
)
def test_resolve_sends_nothing_to_another_origin(handle: str, location: str) -> None:
    url = location.format(host=handle.split("/")[2])
    first, second = sent(handle, {asked(handle): redirect(url), url: MODEL})
    assert first in (BEARER, BASIC)
    assert second is None


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("handle", [HANDLE, "https://netrc.test/acme/net/2"])
def test_resolve_sends_them_again_to_the_same_origin(handle: str) -> None:
    here = handle.split("/")[2]
    url = f"https://{here}:443/blob"
    first, second = sent(handle, {asked(handle): redirect(url), url: MODEL})
    assert first == second
    assert first is not None


@pytest.mark.usefixtures("login")
def test_resolve_sends_the_token_of_a_server_to_which_it_is_redirected() -> None:
    start = "https://start.test/acme/net/2"
    assert sent(start, {asked(start): redirect(HANDLE), HANDLE: MODEL}) == [None, BEARER]


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize(
    "location", ["https://me:pw@hub.test/blob", "https://evil.test\\@hub.test/blob", "https://hub.test%00.evil.test/b"]
)
def test_resolve_refuses_a_redirect_whose_host_is_not_plain(location: str) -> None:
    transport = MemoryTransport({asked(HANDLE): redirect(location)})
    with pytest.raises(HubError, match="no http or https URL"):
        resolve_with(HANDLE, configuration.current(), transport)
    assert len(transport.requests) == 1


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("host", ["hub.test", "netrc.test"])
def test_resolve_sends_them_for_an_unversioned_handle_too(host: str) -> None:
    handle, version = f"https://{host}/acme/net", f"https://{host}/acme/net/3"
    (first, *others) = sent(handle, {asked(handle): redirect(version), asked(version): MODEL})
    assert first is not None
    assert others == [first]


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("host", ["hub.test", "netrc.test"])
def test_resolve_sends_nothing_to_the_other_origin_that_has_the_newest_version(host: str) -> None:
    handle, version = f"https://{host}/acme/net", f"https://{host}:444/acme/net/3"
    first, *others = sent(handle, {asked(handle): redirect(version), asked(version): MODEL})
    assert first is not None
    assert others == [None]


@pytest.mark.usefixtures("login")
def test_resolve_sends_them_for_an_uncompressed_model_too() -> None:
    table = {f"{HANDLE}?tf-hub-format=uncompressed": MemoryResponse(b"gs://bucket/net", 303)}
    with rehub.settings(load_format="UNCOMPRESSED"):
        assert sent(HANDLE, table) == [BEARER]


@pytest.mark.usefixtures("login")
def test_resolve_sends_nothing_without_encryption() -> None:
    handle = "http://plain.test/acme/net/1"
    assert sent(handle) == [None]
    error = refused("http://plain.test/acme/net/2")
    assert "https" in error.hint


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("status", [401, 403])
def test_resolve_says_which_credentials_were_sent(status: int, token_file: Path) -> None:
    error = refused(HANDLE, status)
    assert error.credentials == f"the token for https://hub.test of {token_file}"
    assert error.credentials in str(error)
    assert "rehub login https://hub.test" in error.hint
    assert "s3cret" not in f"{error} {vars(error)}"

    error = refused("https://other.test/acme/net/2", status)
    assert error.credentials == ""
    assert "without credentials" in str(error)
    assert "rehub login https://other.test" in error.hint


def test_resolve_says_what_kaggle_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(word in refused(KAGGLE).hint for word in (KAGGLE, "terms", "KAGGLE_API_TOKEN"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "s3cret")
    error = refused(KAGGLE)
    assert error.credentials == "KAGGLE_API_TOKEN"
    assert "new token" in error.hint

    start = "https://tfhub.dev/google/nnlm/1"
    with pytest.raises(AccessError, match="terms"):
        sent(start, {asked(start): redirect(KAGGLE), KAGGLE: MemoryResponse(status=403)})


@pytest.mark.usefixtures("login")
def test_resolve_does_not_blame_the_user_when_a_signed_address_is_refused() -> None:
    with pytest.raises(AccessError, match=r"(?i)try again") as caught:
        sent(HANDLE, {asked(HANDLE): redirect(STORE), STORE: MemoryResponse(status=403)})
    assert caught.value.url == "https://storage.test/blob"
    assert "rehub login" not in str(caught.value)


@pytest.mark.usefixtures("login")
def test_resolve_keeps_credentials_out_of_the_cache(cache: Path) -> None:
    sent(HANDLE, {asked(HANDLE): redirect(STORE), STORE: MODEL})
    for path in cache.rglob("*"):
        assert "s3cret" not in path.name
        assert not path.is_file() or (b"s3cret" not in path.read_bytes() and b"Bearer" not in path.read_bytes())


def test_resolve_looks_for_credentials_on_a_miss_only(token_file: Path) -> None:
    sent(HANDLE)
    write(token_file, "broken")
    assert sent(HANDLE) == []


def test_known_lists_servers_and_no_secrets(home: Path, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known(configuration.current()) == ()
    tokens(token_file, **{"hub.test": "s3cret"})
    write(home / ".netrc", "machine netrc.test login me password s3cret\n")
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", "s3cret")
    with rehub.settings(token="s3cret", token_host="ci.test") as settings:
        found = known(settings)
    assert found == (
        ("https://ci.test", "REHUB_TOKEN"),
        ("https://hub.test", str(token_file)),
        ("https://www.kaggle.com", "KAGGLE_USERNAME and KAGGLE_KEY"),
        ("netrc.test", str(home / ".netrc")),
    )
