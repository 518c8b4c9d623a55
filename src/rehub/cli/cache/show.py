"""``rehub cache show``: all that is known of a cached model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rehub.cli import output
from rehub.cli.cache import contents
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.cache.inventory import Entry


@click.command(
    "show",
    epilog=examples(
        "rehub cache show https://HUB/PUBLISHER/MODEL/1",
        "rehub cache show https://HUB/PUBLISHER/MODEL --json",
    ),
)
@click.argument("names", metavar="HANDLE...", nargs=-1, required=True, shell_complete=cached_handles)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead.")
def command(names: tuple[str, ...], as_json: bool) -> None:
    """Show where a cached model came from, its pin and its files.

    A HANDLE is a URL or folder as 'rehub cache list' shows it; without a version it means all versions. The pin makes a
    handle that only these very files fit: HANDLE#sha256=PIN.
    """
    entries = contents.named(contents.look(), names)
    if as_json:
        output.write_json([{**contents.facts(entry), **_record(entry)} for entry in entries])
        return
    for number, entry in enumerate(entries):
        if number:
            output.write("")
        _print(entry)


def _record(entry: Entry) -> dict[str, Any]:
    if entry.record is None:
        return {}
    from rehub.archive.fingerprint import fingerprint

    record = entry.record
    return {
        "url": record.url,
        "etag": record.etag,
        "pin": fingerprint(record.files),
        "archive_bytes": record.archive_bytes,
        "archive_sha256": record.archive_sha256,
        "files": {name: {"size_bytes": size, "sha256": sha256} for name, (size, sha256) in record.files.items()},
    }


def _sent_as(entry: Entry) -> str:
    """Returns what the record's digest is of: an archive, the manifest by which the files came, or the files."""
    from rehub.archive.fingerprint import fingerprint
    from rehub.cache import layout

    if entry.record is not None and entry.record.archive_sha256 == fingerprint(entry.record.files):
        return "files"
    is_manifest = entry.folder.with_name(entry.folder.name + layout.MANIFEST_SUFFIX).exists()
    return "manifest" if is_manifest else "archive"


def _print(entry: Entry) -> None:
    record = _record(entry)
    rows = {
        "handle": entry.handle,
        "folder": str(entry.folder),
        "state": "; ".join(map(str, entry.damages)) or "whole",
        "size": output.size(entry.size_bytes),
        "fetched": output.date(entry.time_s),
        "by": entry.origin,
    }
    if record:
        rows["from"] = record["url"]
        size = output.size(record["archive_bytes"])
        rows["sent as"] = f"{_sent_as(entry)}, {size}, sha256 {record['archive_sha256']}"
        rows["pin"] = record["pin"]
    output.write_table(list(rows.items()))
    if record:
        output.write("")
        output.write_table(
            [(name, output.size(fact["size_bytes"]), fact["sha256"]) for name, fact in record["files"].items()],
            headings=("FILE", "SIZE", "SHA256"),
            right=(1,),
        )
