"""The ``metachain`` command line: one file a command."""

from metachain.cli.app import main

__all__ = ["main"]
