"""``rehub publish pack``: a model as the files that any web server can serve."""

from __future__ import annotations

from pathlib import Path

import click

from rehub.cli import output
from rehub.cli.group import examples


@click.command(
    "pack", epilog=examples("rehub publish pack path/to/model", "rehub publish pack -o packed path/to/model")
)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="FOLDER", help="The folder to make.  [default: PATH.packed]"
)
@click.option(
    "--card",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The model card, if it is not card.md in the model folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
def command(path: Path, out: Path | None, card: Path | None, as_json: bool) -> None:
    """Write a model as model.tar.gz and manifest.json.

    The archive is what clients of TensorFlow Hub unpack; the manifest lists files and blocks with their sha256, the
    interface of the model and the front matter of its card. The same files give the same bytes on every machine. Check
    the model first, by 'rehub publish check'.
    """
    from rehub.archive.fingerprint import fingerprint
    from rehub.publish.pack import ARCHIVE_NAME, RECORD_NAME, pack

    source = path.resolve()
    done = pack(path, out or source.with_name(f"{source.name}.packed"), card=card)
    archive, manifest = done.record.archive, done.record.manifest
    pin = fingerprint(manifest.facts)
    if as_json:
        facts = {"content": done.record.content, "pin": pin, "files": len(manifest.files)}
        sizes = {"size_bytes": manifest.size_bytes, "archive_bytes": archive.size_bytes}
        output.write_json({"folder": str(done.folder), **facts, **sizes, "archive_sha256": archive.sha256})
        return
    output.write(str(done.folder / ARCHIVE_NAME))
    output.write(str(done.folder / RECORD_NAME))
    output.tell(
        f"{output.count(len(manifest.files), 'file')} of {output.size(manifest.size_bytes)}, "
        f"{output.size(archive.size_bytes)} packed; pin: #sha256={pin}"
    )
