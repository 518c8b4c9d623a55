"""Fuzzes one target in this process.

Usage: ``python -m fuzz.one TARGET [OPTION OF LIBFUZZER...] [CORPUS...]``.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["rehub", "tarfile", "google.protobuf.text_format"]):
    from fuzz.targets import is_read


def main() -> None:
    """Runs until the time is up, or an input fails."""
    target, *arguments = sys.argv[1:]
    # To merge corpora, libFuzzer gives the first argument to a shell.
    command = f"{sys.executable} -m fuzz.one {target}"
    atheris.Setup([command, *arguments], lambda data: is_read(target, data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
