from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from rehub.cache.inventory import Damage, Entry, Origin
from rehub.cache.pruning import Rule, select
from rehub.formats.record import Record

DAY_S = 86_400.0


def model(
    handle: str, *, days: float = 0, size_bytes: int = 10, origin: Origin = "rehub", damaged: bool = False
) -> Entry:
    record = Record(handle, "", "", "0" * 64, 7, {}, -days * DAY_S) if origin == "rehub" else None
    damages = (Damage("saved_model.pb", "missing"),) if damaged else ()
    return Entry(handle, origin, Path("f"), PurePosixPath("f"), record, size_bytes, None, damages)


def chosen(rule: Rule, *entries: Entry) -> dict[str, str]:
    return {entry.handle: reason for entry, reason in select(entries, rule, now_s=0.0)}


def test_damaged_models_go_by_any_rule() -> None:
    assert chosen(Rule(), model("https://h/a/b/1", damaged=True), model("https://h/a/b/2")) == {
        "https://h/a/b/1": "damaged"
    }


def test_models_go_when_they_are_older() -> None:
    entries = [model("https://h/a/b/1", days=40), model("https://h/a/b/2", days=30), model("https://h/a/b/3")]
    assert chosen(Rule(older_than_s=35 * DAY_S), *entries) == {"https://h/a/b/1": "fetched 40 days ago"}


def test_oldest_models_go_until_the_size_fits() -> None:
    entries = [model("https://h/a/b/1"), model("https://h/a/b/2", days=9), model("https://h/a/b/3", days=5)]
    assert chosen(Rule(max_bytes=20), *entries) == {"https://h/a/b/2": "fetched longest ago"}
    assert list(chosen(Rule(max_bytes=9), *entries)) == ["https://h/a/b/2", "https://h/a/b/3", "https://h/a/b/1"]


@pytest.mark.parametrize(
    ("handles", "gone"),
    [
        (["https://h/a/b/9", "https://h/a/b/10"], {"https://h/a/b/9": "superseded by version 10"}),
        (["https://h/a/b/1?x=1", "https://h/a/b/2?x=2"], {}),
        (["https://h/a/b/1", "https://h/a/c/2", "https://other/a/b/3"], {}),
        (["https://h/a/m.tar.gz", "https://h/a/n.tar.gz"], {}),
    ],
)
def test_superseded_versions_go(handles: list[str], gone: dict[str, str]) -> None:
    assert chosen(Rule(keep_latest=True), *map(model, handles)) == gone


def test_newest_by_time_stays_when_no_version_is_known() -> None:
    entries = [model("https://h/a/b", days=1, size_bytes=1), model("https://h/a/b", size_bytes=2)]
    (found,) = select(entries, Rule(keep_latest=True), now_s=0.0)
    assert found == (entries[0], "superseded by one fetched later")


def test_rules_do_not_count_what_another_rule_gives_up() -> None:
    entries = [model("https://h/a/b/1", days=40), model("https://h/a/b/2"), model("https://h/a/b/3", damaged=True)]
    rule = Rule(older_than_s=35 * DAY_S, max_bytes=10, keep_latest=True)
    assert set(chosen(rule, *entries)) == {"https://h/a/b/1", "https://h/a/b/3"}


@pytest.mark.parametrize("origin", ["tensorflow_hub", "unknown"])
def test_what_rehub_did_not_fetch_stays(origin: Origin) -> None:
    entry = model("https://h/a/b/1", origin=origin, damaged=True)
    assert chosen(Rule(older_than_s=0, max_bytes=0, keep_latest=True), entry) == {}
