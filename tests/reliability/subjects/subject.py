"""What a service has to say of itself to meet every fault: all that is of its wire, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipecat.services.llm_service import FunctionCallParams

from voicepipe.realtime.service import RealtimeService

Tool = Callable[[FunctionCallParams], Awaitable[None]]
Event = dict[str, Any]

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Serving(Protocol):
    @property
    def url(self) -> str: ...


@dataclass(frozen=True)
class Subject:
    """A service, its local server, and what its wire calls the things that go wrong.

    Parameters:
        name: As the page calls it.
        serve: Its local server; answers begin a second after the turn's end, and go out twice as fast as they play.
        service: The service at an address, with the function `get_weather`.
        sample_rate: Of the user's sound, in hertz.
        unknown: An event of a type that nobody knows.
        bare: Every event the service knows, without any of its fields.
        ill_typed: Every event the service knows, with fields that are of another type.
        errors: Error events by code, and what the call ends with if the code is fatal.
        fatal_closes: What a call ends with by the close code that ends it; after any other it goes on.
        refusing: What a call ends with by the close code, or the code of the error, that ends it only before its session is
            ready.
        ended_response: Makes of the event that ends a response one with this status and reason, and leaves others as they
            are; None where the wire has no such event.
    """

    name: str
    serve: Callable[[], AbstractAsyncContextManager[Serving]]
    service: Callable[[str, Tool], RealtimeService]
    sample_rate: int
    unknown: str
    bare: tuple[str, ...]
    ill_typed: tuple[str, ...]
    errors: Mapping[str, tuple[str, str | None]]
    fatal_closes: Mapping[int, str] = field(default_factory=dict[int, str])
    refusing: Mapping[int | str, str] = field(default_factory=dict[int | str, str])
    ended_response: Callable[[str | bytes, str, str], str | bytes] | None = None
