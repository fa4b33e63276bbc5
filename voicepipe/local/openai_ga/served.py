"""What the driver of a session needs of it, whichever of the two wires it speaks; `GAServerSession` says more."""

from __future__ import annotations

from typing import Protocol

from voicepipe.local.brain import Call
from voicepipe.local.driving import Driven
from voicepipe.local.openai_ga.response import Response
from voicepipe.local.openai_ga.wishes import Out


class ServedSession(Driven, Protocol):
    """The server's side of one session."""

    def say(self, response: Response, text: str, pcm: bytes) -> None:
        """Take words of an answer."""
        ...

    def call(self, response: Response, call: Call) -> list[Out]:
        """Call a function as part of an answer."""
        ...

    def finish(self, response: Response, now_ms: float = 0.0) -> list[Out]:
        """End an answer that is complete."""
        ...

    def fail(self, response: Response, message: str, now_ms: float = 0.0) -> list[Out]:
        """End an answer that could not be made."""
        ...
