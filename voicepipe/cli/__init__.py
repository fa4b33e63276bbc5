"""The command line: `voicepipe demo`, `voicepipe run`, `voicepipe init` and the others that `app` lists."""

from voicepipe.cli.app import main

__all__ = ["main"]
