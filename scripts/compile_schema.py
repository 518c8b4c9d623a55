"""Compiles src/rehub/formats/schema/*.proto into schema.binpb beside them. Needs grpcio-tools.

Run it after a change to a .proto file, and commit both. A test fails while they disagree.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "src/rehub/formats/schema"


def compile_schema(target: Path) -> None:
    """Writes the descriptor set of all .proto files.

    Raises:
        RuntimeError: If protoc finds a mistake; it prints which.
    """
    from importlib.resources import files

    from grpc_tools import protoc

    well_known = files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-I{FOLDER}", f"-I{well_known}", "--include_imports", f"--descriptor_set_out={target}"]
    if protoc.main([*arguments, *sorted(path.name for path in FOLDER.glob("*.proto"))]):
        raise RuntimeError(f"protoc refused the files in '{FOLDER}'.")


if __name__ == "__main__":
    compile_schema(FOLDER / "schema.binpb")
    sys.stdout.write(f"wrote {FOLDER / 'schema.binpb'}\n")
