"""Runs the command line: ``python -m rehub``."""

from rehub.cli.main import main

main()
