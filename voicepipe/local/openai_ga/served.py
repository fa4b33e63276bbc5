"""What whoever drives a session needs of it, whichever wire it speaks; `GAServerSession` says what each method does."""

from __future__ import annotations

from typing import Protocol

from voicepipe.local.brain import Call
from voicepipe.local.openai_ga.events import Event
from voicepipe.local.openai_ga.response import Response
from voicepipe.local.openai_ga.wishes import Out


class ServedSession(Protocol):
    """The server's side of one session."""

    @property
    def wakes_at_ms(self) -> float | None:
        """When `wake` wants to be called; it may change with every call."""
        ...

    def open(self) -> list[Out]:
        """Return the first events."""
        ...

    def receive(self, message: str | bytes, now_ms: float = 0.0) -> list[Out]:
        """Take a client event."""
        ...

    def error(self, code: str | None, message: str, type_: str = "invalid_request_error") -> Event:
        """Return an `error` event that no client event is the cause of."""
        ...

    def heard(self, key: str, text: str | None, now_ms: float = 0.0) -> list[Out]:
        """Take the words found in an utterance."""
        ...

    def say(self, response: Response, text: str, pcm: bytes) -> None:
        """Take words of an answer."""
        ...

    def advance(self, response: Response, delta_ms: int, now_ms: float = 0.0) -> list[Out]:
        """Return the events of an answer's next sound."""
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

    def wake(self, now_ms: float) -> list[Out]:
        """Take that it is `now_ms`."""
        ...
