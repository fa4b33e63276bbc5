"""The command line: `voicepipe demo`, `voicepipe serve-local`, `voicepipe run`, `voicepipe talk`, `voicepipe calls`."""

from voicepipe.cli.app import main

__all__ = ["main"]
