"""The command line: `voicepipe demo`, `voicepipe serve-local`."""

from voicepipe.cli.app import main

__all__ = ["main"]
