from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehub.cache import layout
from rehub.handle import parse


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("https://tfhub.dev/google/nnlm-en-dim128/2", "tfhub.dev/google/nnlm-en-dim128/2"),
        ("http://hub:8080/a/b/3", "http_hub_8080/a/b/3"),
        ("https://h/models/google/bert/tensorflow2/base/1", None),
        ("https://h/" + "a/" * 8 + "1", None),
        ("https://h/deep/er/still/1", "h/deep/er/still/1"),
        ("https://h/model/007", "h/model/007"),
    ],
)
def test_leaf_is_where_a_person_looks_for_it(url: str, folder: str | None) -> None:
    expected = folder or url.removeprefix("https://")
    assert str(layout.leaf(parse(url))) == expected


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("https://h/a/b/1?x=y", "h/b-"),
        ("https://h/a/2/3", "h/a-"),
        ("https://h/1", "h/model-"),
        ("https://h/.hidden/b/1", "h/b-"),
        ("https://h/a/../b/1", "h/b-"),
        ("https://h/a%2fb/c/1", "h/c-"),
        ("https://h/con/b/1", "h/b-"),
        ("https://h/a/nul.txt/1", "h/nul_txt-"),
        ("https://h/a/x.rehub.json/1", "h/x_rehub_json-"),
        (f"https://h/a/{'m' * 200}/1", f"h/{'m' * 60}-"),
        ("https://[::1]:80/a/b/1", "___1__80/b-"),
        ("https://h/models/m.tar.gz", "h/m-"),
        ("https://h/models/M.tar.gz", "h/m-"),
        ("https://h/" + "a/" * 9 + "1", "h/a-"),
        ("gs://bucket/models/m.tgz", "gs_bucket/m-"),
    ],
)
def test_leaf_ends_in_a_hash_when_the_url_is_no_safe_path(url: str, start: str) -> None:
    leaf = str(layout.leaf(parse(url)))
    assert re.fullmatch(re.escape(start) + "[0-9a-f]{12}", leaf)


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_leaf_of_a_commit_can_be_read() -> None:
    assert str(layout.leaf(parse(f"hf://acme/net@{COMMIT}"))) == f"hf/acme/net/{COMMIT}"
    assert str(layout.model_folder(parse("hf://acme/net@main"))) == "hf/acme/net"


@pytest.mark.parametrize(
    ("url", "start"),
    [
        (f"hf://acme/net@{COMMIT}/saved_model/Big", "hf/net_big"),
        (f"hf://1/2@{COMMIT}", "hf/2"),
    ],
)
def test_leaf_of_a_folder_of_a_commit_is_beside_the_repository(url: str, start: str) -> None:
    leaf = layout.leaf(parse(url))
    assert leaf.name == COMMIT
    assert re.fullmatch(re.escape(start) + "-[0-9a-f]{12}", str(leaf.parent))


def test_folders_of_branches_differ_from_that_of_the_repository() -> None:
    urls = ("hf://acme/net", "hf://acme/net@v1", "hf://acme/net@v2", "hf://acme/net/a", "hf://Acme/net")
    folders = {str(layout.model_folder(parse(url))) for url in urls}
    assert len(folders) == len(urls)
    assert all(layout.may_hold_models(layout.model_folder(parse(url))) for url in urls)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("https://www.kaggle.com/models/o/m/tensorFlow2/v/1", "www.kaggle.com/models/o/m/tensorflow2/v"),
        ("https://H/Acme/Net/1", "h/acme/net"),
    ],
)
def test_models_whose_urls_have_capitals_get_folders_of_their_own(url: str, folder: str) -> None:
    leaf = layout.leaf(parse(url))
    assert re.fullmatch(re.escape(folder) + "-[0-9a-f]{12}/1", str(leaf))
    assert leaf.parent == layout.model_folder(parse(url[:-2]))


def test_leaves_differ_where_capitals_do_not_count() -> None:
    urls = [f"https://h/{name}/{end}" for name in ("a/net", "a/Net", "A/net") for end in ("1", "1?x", "m.tar")]
    assert len({str(layout.leaf(parse(url))).lower() for url in urls}) == len(urls)


def test_leaves_differ_when_urls_differ() -> None:
    urls = ["https://h/a/b/1?x=1", "https://h/a/b/1?x=2", "https://h/a/b/1", "http://h/a/b/1", "https://h:1/a/b/1"]
    assert len({layout.leaf(parse(url)) for url in urls}) == len(urls)


@given(st.text(st.characters(codec="utf-8", exclude_characters="#\0"), max_size=40))
def test_no_url_leads_out_of_the_cache_folder(path: str) -> None:
    handle = parse(f"https://h/{path}x")
    for found in (layout.leaf(handle), layout.model_folder(handle)):
        assert re.fullmatch(r"h(/[a-z0-9_-][a-z0-9._-]*)+", str(found))
        assert layout.may_hold_models(found.parent)


def test_record_and_pointer_lie_beside_the_models() -> None:
    assert str(layout.record(layout.leaf(parse("https://h/a/b/1")))) == "h/a/b/1.rehub.json"
    assert str(layout.pointer(layout.model_folder(parse("https://h/a/b")))) == "h/a/b/latest.rehub.json"
