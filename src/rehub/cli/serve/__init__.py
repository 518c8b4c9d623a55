"""``rehub serve``: a hub, and what its operator does to it."""

from __future__ import annotations

from rehub.cli.serve.start import command

__all__ = ["command"]
