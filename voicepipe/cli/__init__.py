"""The command line: `voicepipe demo`, `voicepipe serve-local`, `voicepipe calls`."""

from voicepipe.cli.app import main

__all__ = ["main"]
