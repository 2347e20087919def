"""The command line: one file a verb."""

from __future__ import annotations


def main() -> None:
    """The `trueline` command."""
    from trueline.cli.app import run

    run()
