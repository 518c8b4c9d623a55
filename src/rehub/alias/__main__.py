"""``python -m rehub.alias``: runs a program for which tensorflow_hub is rehub.

The program gets a Python of its own, in place of this one and with the same options, so that arguments, exit code,
signals and ``__main__`` are as without rehub. That Python, and each that it starts, finds rehub's tensorflow_hub by
``PYTHONPATH``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import rehub
from rehub.alias import place
from rehub.errors import HubError, UsageError

USAGE = """\
usage: python -m rehub.alias SCRIPT [ARGUMENT …]
       python -m rehub.alias -m MODULE [ARGUMENT …]
       python -m rehub.alias -c CODE [ARGUMENT …]

Runs a program written for tensorflow_hub on rehub: its `import tensorflow_hub` finds rehub, also in the processes that
it starts. Options of Python itself go before -m rehub.alias.
"""
_EXIT_USAGE = 2
_WITH_VALUE = ("-m", "-c")


def main() -> NoReturn:
    """Runs the program that the command line names.

    Raises:
        SystemExit: Where no process can take this one's place, with the program's exit code.
    """
    arguments = sys.argv[1:]
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        sys.exit()
    try:
        check(arguments)
    except HubError as error:
        print(f"rehub.alias: {error}", file=sys.stderr)
        sys.exit(_EXIT_USAGE)
    os.environ["PYTHONPATH"] = os.pathsep.join(_search_path(os.environ.get("PYTHONPATH", "")))
    command = [sys.executable, *python_options(sys.orig_argv, len(arguments)), *arguments]
    if os.name == "nt":  # there, whoever waits for this process would not wait for the one in its place
        sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - what the user asks for
    os.execv(sys.executable, command)  # noqa: S606 - as above


def check(arguments: Sequence[str]) -> None:
    """Refuses a command line that cannot work.

    Raises:
        UsageError: If it names no program, if its Python would not look at ``PYTHONPATH``, or if the program's folder
            has a tensorflow_hub of its own.
    """
    first = arguments[0] if arguments else ""
    if not first or (first in _WITH_VALUE and len(arguments) < 2):
        raise UsageError("there is no program to run.\n", hint=USAGE.rstrip())
    if first.startswith("-") and first != "-" and not first.startswith(_WITH_VALUE):
        raise UsageError(f"there is no option {first}.", hint="Put options of Python before -m rehub.alias.")
    if sys.flags.ignore_environment:
        raise UsageError(
            "Python runs with -E or -I here, and does not look at PYTHONPATH, by which it would find rehub's "
            "tensorflow_hub.",
            hint="Leave that option out, or call rehub.install_as_tensorflow_hub() in the program.",
        )
    if not getattr(sys.flags, "safe_path", False):
        place.check_not_hidden(Path.cwd() if first.startswith("-") else Path(first).resolve().parent)


def python_options(command: Sequence[str], argument_count: int) -> list[str]:
    """Returns the options of Python in a command line, without ``-m rehub.alias``.

    Args:
        command: All of it, as in ``sys.orig_argv``.
        argument_count: How many words at its end belong to ``rehub.alias``.
    """
    options = list(command[1 : len(command) - argument_count])
    if options and options[-1] == "rehub.alias":
        options.pop()
        options[-1] = options[-1].removesuffix("m")
    elif options:
        options[-1] = options[-1].removesuffix("mrehub.alias")
    if options and options[-1] == "-":
        options.pop()
    return options


def _search_path(before: str) -> list[str]:
    """Returns the folders for ``PYTHONPATH``; rehub's too, where only the current folder led to it."""
    folders = [place.FOLDER, *filter(None, before.split(os.pathsep))]
    root = str(Path(rehub.__file__).parents[1])
    return list(dict.fromkeys([*folders, *([] if root in sys.path[1:] else [root])]))


if __name__ == "__main__":
    main()
