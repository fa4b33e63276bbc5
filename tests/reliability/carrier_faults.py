"""What can go wrong on a carrier's media stream: every row of the matrix, for every carrier."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.reliability.phases import Phase
from tests.reliability.verdict import GOES_ON, Allowed, ends
from voicepipe.local.proxy import (
    Change,
    CloseWith,
    Deaf,
    Drop,
    FaultProxy,
    HalfMessage,
    Raw,
    Say,
    Stall,
    Trouble,
)

CARRIERS = ("twilio", "telnyx", "plivo")
LEFT = ends("the caller hung up|closed the stream before its start", within_secs=60.0)
"""The carrier is gone: the call ends, and says why."""

Message = str | bytes


@dataclass(frozen=True)
class CarrierFault:
    """One row.

    Parameters:
        group: The rows it stands with.
        name: As the page calls it.
        strike: Lets it happen; the flag says whether the stream has not begun yet.
        allowed: What may come of it.
        at_first: What may come of it before the stream's start, where that differs.
    """

    group: str
    name: str
    strike: Callable[[FaultProxy, bool], Awaitable[None]]
    allowed: Allowed = GOES_ON
    at_first: Allowed | None = None

    def allowed_in(self, phase: Phase) -> Allowed:
        """Return what may come of it in a phase."""
        if phase is Phase.CONNECTING and self.at_first is not None:
            return self.at_first
        if phase is Phase.HANGING_UP:
            # A caller who hangs up on a line that carries nothing is missed only when the line has been silent.
            return Allowed(ends="the caller hung up", within_secs=LEFT.within_secs)
        return self.allowed


def _troubles(*troubles: Callable[[], Trouble]) -> Callable[[FaultProxy, bool], Awaitable[None]]:
    async def strike(proxy: FaultProxy, is_first: bool) -> None:
        made = [make() for make in troubles]
        if is_first:
            proxy.strike_first(*made)
            return
        for trouble in made:
            await proxy.strike(trouble)

    return strike


def _fault(group: str, name: str, trouble: Trouble, allowed: Allowed = GOES_ON, **rest: Any) -> CarrierFault:
    return CarrierFault(group, name, _troubles(lambda: trouble), allowed, **rest)


_CODES = (1000, 1001, None, 1002, 1008, 1011)


def _connections() -> Iterator[CarrierFault]:
    yield _fault("connection", "drop", Drop(), LEFT)
    for code in _CODES:
        name = f"close {code or 'without a code'}, no stop"
        yield _fault("connection", name, CloseWith(code, "a reason"), LEFT)
    silent = ends("nothing came|the caller hung up|no start within 10 s", within_secs=60.0)
    yield _fault("connection", "stall, for ever", Stall(), silent)
    yield _fault("connection", "stall of 5 s", Stall(5.0))
    yield _fault("connection", "half a message, then a drop", HalfMessage(), LEFT)
    yield _fault("connection", "half a message, then a stall", HalfMessage(stalls=True), silent)
    yield _fault("connection", "bytes that are no frame", Raw(b"\xff\xff\xff\xff not a frame"), LEFT)
    yield _fault("connection", "does not read for 3 s", Deaf(3.0))
    yield _fault("connection", "does not read for 20 s", Deaf(20.0), Allowed(ends="the caller hung up"))


def _said(group: str, name: str, *messages: Message, at_first: Allowed | None = None) -> CarrierFault:
    troubles = [lambda message=message: Say(message) for message in messages]
    return CarrierFault(group, name, _troubles(*troubles), GOES_ON, at_first)


_UNREADABLE_START = Allowed(ends="the stream's first messages|has the ids of none")
_NO_JSON = ('{"event": "media", "media": ', "", "{", "\0")
_NO_OBJECT = ("[]", "null", "5", '"text"', "[" * 2000 + "]" * 2000)
_KINDS = (
    "connected",
    "start",
    "media",
    "mark",
    "dtmf",
    "stop",
    "error",
    "playedStream",
    "clearedAudio",
    "closed",
)


def _events() -> Iterator[CarrierFault]:
    yield _said("event", "no JSON", *_NO_JSON, at_first=_UNREADABLE_START)
    yield _said("event", "JSON that is no object", *_NO_OBJECT, at_first=_UNREADABLE_START)
    yield _said("event", "binary", b"\0\xff\xfe", bytes(range(256)), at_first=_UNREADABLE_START)
    yield _said(
        "event", "an unknown kind", '{"event": "voicepipe"}', "{}", '{"event": null}', '{"event": []}'
    )
    bare = [json.dumps({"event": kind}) for kind in _KINDS if kind != "stop"]
    yield _said("event", "no fields, every kind", *bare, at_first=_UNREADABLE_START)
    ill = [
        json.dumps(
            {"event": kind, **dict.fromkeys(("media", "mark", "dtmf", "start", "payload", "name"), value)}
        )
        for kind in _KINDS
        if kind != "stop"
        for value in (5, [], {"payload": 5, "name": {}, "digit": []}, {"payload": "%%%", "chunk": "x"})
    ]
    yield _said("event", "fields of another type, every kind", *ill, at_first=_UNREADABLE_START)
    odd = json.dumps(
        {"event": "media", "media": {"payload": "/w==", "chunk": "999999999", "track": "inbound"}}
    )
    yield _said("event", "a chunk far ahead", odd, at_first=Allowed())
    marks = [json.dumps({"event": "mark", "mark": {"name": name}, "name": name}) for name in ("1", "no mark")]
    yield _said("event", "marks that were not asked for", *marks)


def _only(kind: str, change: Callable[[Message], list[Message]]) -> Callable[[Message], list[Message]]:
    return lambda message: change(message) if f'"event":"{kind}"' in str(message) else [message]


def _swapped() -> Callable[[Message], list[Message]]:
    held: list[Message] = []

    def swap(message: Message) -> list[Message]:
        if held:
            return [message, held.pop()]
        held.append(message)
        return []

    return swap


def _changes() -> Iterator[CarrierFault]:
    def change(name: str, by: Callable[[], Callable[[Message], list[Message]]], messages: int | None):
        return CarrierFault("event", name, _troubles(lambda: Change(by(), messages)))

    yield change("100 frames come twice", lambda: _only("media", lambda message: [message, message]), 100)
    yield change("20 frames come in another order", lambda: _only("media", _swapped()), 20)
    yield change("a second of sound is lost", lambda: _only("media", lambda _: []), 50)
    yield change("marks never come back", _no_marks, None)


def _no_marks() -> Callable[[Message], list[Message]]:
    return lambda message: [] if '"mark"' in str(message) or '"playedStream"' in str(message) else [message]


def carrier_faults() -> tuple[CarrierFault, ...]:
    """Return all rows."""
    stop = CarrierFault(
        "event",
        "stop, and the socket stays open",
        _troubles(lambda: Say('{"event": "stop", "stop": {}}')),
        LEFT,
        # Before there is a stream, it stops none.
        GOES_ON,
    )
    return (*_connections(), *_events(), *_changes(), stop)
