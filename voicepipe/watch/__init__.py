"""Calls while they go on, on a page: who talks, what is said, how long answers take, what it costs, what goes wrong."""

from voicepipe.watch.board import Board
from voicepipe.watch.server import Watch

__all__ = ["Board", "Watch"]
