"""How handles are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehub.errors import HandleError
from rehub.handle import Kind, parse

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "kind", "location", "version"),
    [
        ("models/net", Kind.PATH, "models/net", None),
        ("/models/net/1", Kind.PATH, "/models/net/1", None),
        ("C:\\models\\net", Kind.PATH, "C:\\models\\net", None),
        ("tfhub.dev/google/nnlm/1", Kind.PATH, "tfhub.dev/google/nnlm/1", None),
        ("file:///models/a%20b", Kind.PATH, "/models/a b", None),
        ("file://localhost/models", Kind.PATH, "/models", None),
        ("https://hub.test/a/b/3", Kind.HUB, "https://hub.test/a/b/3", 3),
        ("https://hub.test/a/b", Kind.HUB, "https://hub.test/a/b", None),
        ("https://hub.test/a/b/3/", Kind.HUB, "https://hub.test/a/b/3", 3),
        ("https://hub.test/a/b/3?x=1", Kind.HUB, "https://hub.test/a/b/3?x=1", 3),
        ("https://hub.test/a/b/\N{SUPERSCRIPT TWO}", Kind.HUB, "https://hub.test/a/b/\N{SUPERSCRIPT TWO}", None),
        ("https://hub.test/a/" + "9" * 5000, Kind.HUB, "https://hub.test/a/" + "9" * 5000, None),
        ("https://hub.test/a/b/\f/", Kind.HUB, "https://hub.test/a/b", None),
        ("HTTPS://Hub.Test:8000/A/b ", Kind.HUB, "https://hub.test:8000/A/b", None),
        ("http://[::1]:80/a/b/1", Kind.HUB, "http://[::1]:80/a/b/1", 1),
        ("http://[::1]/a/b/1", Kind.HUB, "http://[::1]/a/b/1", 1),
        ("https://files.test/m.tar", Kind.ARCHIVE, "https://files.test/m.tar", None),
        ("https://files.test/m.TAR.GZ?x", Kind.ARCHIVE, "https://files.test/m.TAR.GZ?x", None),
        ("gs://bucket/m.tgz", Kind.ARCHIVE, "gs://bucket/m.tgz", None),
        ("gs://Bucket/net/1/", Kind.BUCKET, "gs://Bucket/net/1", None),
        ("S3://bucket/net", Kind.BUCKET, "s3://bucket/net", None),
        ("az://container", Kind.BUCKET, "az://container", None),
        ("az://container/m.tar.gz", Kind.ARCHIVE, "az://container/m.tar.gz", None),
        ("hdfs://Host/net/1/", Kind.REMOTE, "hdfs://Host/net/1/", None),
        ("hf://acme/net", Kind.HUGGINGFACE, "hf://acme/net", None),
        ("HF://Acme/Net_1.0/ ", Kind.HUGGINGFACE, "hf://Acme/Net_1.0", None),
        ("hf://models/acme/net@main/saved_model/1/", Kind.HUGGINGFACE, "hf://acme/net/saved_model/1", None),
        ("hf://acme/net@v1.0", Kind.HUGGINGFACE, "hf://acme/net@v1.0", None),
        ("hf://acme/net@a%2Fb/c", Kind.HUGGINGFACE, "hf://acme/net@a%2Fb/c", None),
        ("hf://acme/net@refs/pr/3/c", Kind.HUGGINGFACE, "hf://acme/net@refs/pr/3/c", None),
    ],
)
def test_parse_reads_each_form(text: str, kind: Kind, location: str, version: int | None) -> None:
    handle = parse(text)
    assert (handle.text, handle.kind, handle.location, handle.version, handle.pin) == (
        *(text, kind, location, version, None),
    )


def test_parse_takes_a_path_object() -> None:
    assert parse(Path("models") / "net") == parse("models/net")


@pytest.mark.parametrize(
    "text",
    [
        *("https://hub.test/a/b/3", "file:///models", "https://files.test/m.tar"),
        *("hf://acme/net@v1/sub", "s3://bucket/net/1", "gs://bucket/net/1"),
    ],
)
def test_parse_reads_a_pin(text: str) -> None:
    handle = parse(f"{text}#sha256={DIGEST.upper()}")
    assert (handle.pin, handle.location) == (DIGEST, parse(text).location)


@pytest.mark.parametrize("fragment", ["x", "sha256=", "sha256=" + DIGEST[1:], "sha256=" + "g" * 64, "sha1=" + DIGEST])
@pytest.mark.parametrize("url", ["https://hub.test/a/b/3", "file:///models", "gs://bucket/net"])
def test_parse_refuses_what_is_no_pin(url: str, fragment: str) -> None:
    with pytest.raises(HandleError, match=r"is not a pin.*64 hexadecimal digits") as caught:
        parse(f"{url}#{fragment}")
    assert caught.value.handle == f"{url}#{fragment}"


@pytest.mark.parametrize("url", ["hdfs://host/net/1", "abfs://bucket/net/1"])
def test_parse_refuses_a_pin_that_nobody_can_check(url: str) -> None:
    with pytest.raises(HandleError, match=r"has a pin.*Omit the pin") as caught:
        parse(f"{url}#sha256={DIGEST}")
    assert caught.value.handle == f"{url}#sha256={DIGEST}"


LONG = "https://www.kaggle.com/models/google/nnlm/frameworks/tensorFlow2/variations/en-dim50/versions/3"
SHORT = "https://www.kaggle.com/models/google/nnlm/tensorFlow2/en-dim50/3"


@pytest.mark.parametrize(
    ("text", "location"),
    [
        (LONG, SHORT),
        (SHORT, SHORT),
        (LONG.replace("www.", ""), SHORT),
        (SHORT.replace("www.", ""), SHORT),
        (LONG + "/", SHORT),
        (LONG.replace("frameworks", "Frameworks").replace("versions", "VERSIONS"), SHORT),
        (LONG.removesuffix("/versions/3"), SHORT.removesuffix("/3")),
        (LONG.replace("frameworks", "flavours"), LONG.replace("frameworks", "flavours")),
        (LONG + "/more", LONG + "/more"),
        ("https://www.kaggle.com/models/google", "https://www.kaggle.com/models/google"),
    ],
)
def test_parse_reads_both_spellings_of_kaggle_as_one(text: str, location: str) -> None:
    handle = parse(text)
    assert (handle.location, handle.is_kaggle, handle.host) == (location, True, "www.kaggle.com")
    assert handle.version == (3 if location.endswith("/3") else None)


@pytest.mark.parametrize("host", ["hub.test", "kaggle.com.test", "notkaggle.com", "api.kaggle.com"])
def test_parse_leaves_the_url_of_another_host_alone(host: str) -> None:
    url = LONG.replace("www.kaggle.com", host)
    assert (parse(url).location, parse(url).is_kaggle) == (url, False)


@pytest.mark.parametrize("url", ["https://user:secret@hub.test/a/b", "https://user@hub.test/a", "gs://u:secret@b/net"])
def test_parse_refuses_a_login_and_does_not_show_it(url: str) -> None:
    with pytest.raises(HandleError, match="user name or password") as caught:
        parse(url)
    assert "secret" not in f"{caught.value} {vars(caught.value)}"


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "a\0b", "https://", "https:///a/b", "https://h:port/a", "http://[bad", "https://h .test/a"),
        *("file://host/models", "file://[/models", "file:///a%00b", "https://hub.test/a?\udc80", "gs://\udc80/a"),
    ],
)
def test_parse_refuses_what_is_no_handle(text: str) -> None:
    with pytest.raises(HandleError) as caught:
        parse(text)
    assert (caught.value.handle, bool(caught.value.hint)) == (text, True)


@pytest.mark.parametrize("value", [None, 3, b"/models", ["a"]])
def test_parse_refuses_what_is_no_text(value: object) -> None:
    with pytest.raises(HandleError, match="Expected a string") as caught:
        parse(value)  # type: ignore[arg-type]
    assert caught.value.handle == value


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://h/a", "https://h/a?f=c"),
        ("https://h/a?x=1&y=", "https://h/a?x=1&y=&f=c"),
        ("https://h/a?f=old&x=1&f=older", "https://h/a?x=1&f=c"),
    ],
)
def test_with_query_keeps_the_other_parameters(location: str, url: str) -> None:
    assert parse(location).with_query("f", "c") == url


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "may_change", "unversioned"),
    [
        ("https://hub.test/a/b", True, "https://hub.test/a/b"),
        ("https://hub.test/a/b/3?x=1", False, "https://hub.test/a/b?x=1"),
        ("https://files.test/m.tar", False, "https://files.test/m.tar"),
        ("hf://acme/net@v1/sub", True, "hf://acme/net/sub"),
        (f"hf://acme/net@{COMMIT}/sub", False, "hf://acme/net/sub"),
        (f"hf://acme/net@{COMMIT[:8]}", True, "hf://acme/net"),
        ("s3://bucket/net/3", True, "s3://bucket/net/3"),
        ("hdfs://host/net", False, "hdfs://host/net"),
        ("/models/net", False, "/models/net"),
    ],
)
def test_handle_says_whether_what_it_names_may_change(text: str, may_change: bool, unversioned: str) -> None:
    handle = parse(text)
    assert (handle.may_change, handle.unversioned) == (may_change, unversioned)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "hf://acme",
            "hf://acme/",
            "hf:///net",
            "hf://acme/n t",
            "hf://acme/net@",
            "hf://acme/net@a..b",
            "hf://a/b@%00",
        ),
        *("hf://acme/net/../other", "hf://acme/net/a//b", "hf://acme/net/a\\b", "hf://acme/net?x=1"),
        *("hf://datasets/acme/words", "hf://spaces/acme/app", "hf://user:secret@acme/net"),
    ],
)
def test_parse_refuses_what_names_no_model_of_hugging_face(text: str) -> None:
    with pytest.raises(HandleError) as caught:
        parse(text)
    assert "secret" not in str(caught.value)


def test_parse_says_by_what_url_an_archive_of_hugging_face_is_had() -> None:
    with pytest.raises(HandleError, match=r"https://huggingface\.co/acme/net/resolve/v1/sub/m\.tar\.gz"):
        parse("hf://acme/net@v1/sub/m.tar.gz")
