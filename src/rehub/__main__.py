"""Runs the command line: the program ``rehub``, and ``python -m rehub``.

An interrupt ends it without a traceback, also while the rest is imported and while Python ends.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

_EXIT_INTERRUPTED = 130  # as in `rehub.cli.output`, which may not be there yet


def main() -> NoReturn:
    """Runs one command, and exits with its code."""
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored, as by nohup
    if is_heard:
        signal.signal(signal.SIGINT, _leave)
    from rehub.cli.main import main as run

    try:
        if is_heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # there is something to clean up from now on
        run()
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)
    finally:
        if is_heard:
            signal.signal(signal.SIGINT, _leave)


def _leave(*_: object) -> NoReturn:
    # An exception could come up in a place where Python shows and forgets it.
    os._exit(_EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
