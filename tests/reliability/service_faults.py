"""What can go wrong between a service and its server: every row of the matrix, for every service."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from tests.reliability.phases import Phase
from tests.reliability.subjects import Subject
from tests.reliability.verdict import GOES_ON, HANG_UP_SECS, Allowed, ends
from voicepipe.local.proxy import (
    Change,
    CloseWith,
    Deaf,
    Drop,
    FaultProxy,
    HalfMessage,
    Handshake,
    HangUp,
    HttpStatus,
    Late,
    NotHttp,
    Raw,
    Say,
    Stall,
    Trouble,
)


class Endpoints(Protocol):
    """Where a service connects."""

    tls: bool
    """Whether it uses TLS from now on, which the proxy does not speak."""


@dataclass(frozen=True)
class Scene:
    """What a fault may touch."""

    proxy: FaultProxy
    endpoints: Endpoints
    phase: Phase


@dataclass(frozen=True)
class ServiceFault:
    """One row.

    Parameters:
        group: The rows it stands with.
        name: As the page calls it.
        strike: Lets it happen; when the service has not connected, before it does.
        allowed: What may come of it.
        at_first: What may come of it at the first handshake, where that differs.
    """

    group: str
    name: str
    strike: Callable[[Scene], Awaitable[None]]
    allowed: Allowed = GOES_ON
    at_first: Allowed | None = None

    def allowed_in(self, phase: Phase) -> Allowed:
        """Return what may come of it in a phase."""
        if phase is Phase.CONNECTING and self.at_first is not None:
            return self.at_first
        if phase is Phase.HANGING_UP:
            # Whatever comes first, as long as it ends soon.
            return Allowed(ends=self.allowed.ends, within_secs=HANG_UP_SECS)
        return self.allowed


# Handshakes: the first one, or the one after a drop.


def _handshakes(*met: Handshake) -> Callable[[Scene], Awaitable[None]]:
    async def strike(scene: Scene) -> None:
        scene.proxy.handshakes.extend(met)
        await scene.proxy.strike(Drop())

    return strike


async def _door_shut_a_while(scene: Scene) -> None:
    scene.proxy.shut_door()
    await scene.proxy.strike(Drop())
    if scene.phase not in (Phase.CONNECTING, Phase.HANGING_UP):
        await asyncio.sleep(2.0)
        await scene.proxy.open_door()


async def _door_shut(scene: Scene) -> None:
    scene.proxy.shut_door()
    await scene.proxy.strike(Drop())


async def _tls_fails(scene: Scene) -> None:
    scene.endpoints.tls = True
    await scene.proxy.strike(Drop())


_UNREACHABLE = ends("cannot be reached")

HANDSHAKES = (
    ServiceFault("handshake", "no program listens for 2 s", _door_shut_a_while, GOES_ON, _UNREACHABLE),
    ServiceFault("handshake", "no program listens any more", _door_shut, _UNREACHABLE),
    ServiceFault("handshake", "the connection breaks, once", _handshakes(HangUp()), GOES_ON, _UNREACHABLE),
    ServiceFault("handshake", "the answer takes 5 s", _handshakes(Late(5.0))),
    ServiceFault(
        "handshake", "no answer, once", _handshakes(Late()), GOES_ON, ends("did not answer within 10 s")
    ),
    ServiceFault(
        "handshake", "another protocol answers, once", _handshakes(NotHttp()), GOES_ON, _UNREACHABLE
    ),
    ServiceFault("handshake", "TLS fails", _tls_fails, ends("TLS")),
    ServiceFault("handshake", "401", _handshakes(HttpStatus(401)), ends("401")),
    ServiceFault("handshake", "402", _handshakes(HttpStatus(402)), ends("402")),
    ServiceFault("handshake", "403", _handshakes(HttpStatus(403)), ends("403")),
    ServiceFault("handshake", "404", _handshakes(HttpStatus(404)), ends("404")),
    ServiceFault(
        "handshake", "429, wait 3 s", _handshakes(HttpStatus(429, {"Retry-After": "3"}), HttpStatus(429))
    ),
    ServiceFault("handshake", "500, twice", _handshakes(HttpStatus(500), HttpStatus(500))),
    ServiceFault("handshake", "503, once", _handshakes(HttpStatus(503))),
    ServiceFault("handshake", "500, each time", _handshakes(*[HttpStatus(500)] * 20), ends("500")),
    ServiceFault(
        "handshake",
        "redirect to another host",
        _handshakes(*[HttpStatus(302, {"Location": "ws://other.invalid/"})] * 20),
        ends("redirect"),
    ),
)


# The open connection.


def _trouble(*troubles: Trouble) -> Callable[[Scene], Awaitable[None]]:
    async def strike(scene: Scene) -> None:
        if scene.phase is Phase.CONNECTING:
            scene.proxy.strike_first(*troubles)
            return
        for trouble in troubles:
            await scene.proxy.strike(trouble)

    return strike


CLOSE_CODES = (1000, 1001, 1002, 1003, None, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 4000)


def _closes(subject: Subject) -> Iterator[ServiceFault]:
    for code in CLOSE_CODES:
        fatal, refusing = subject.fatal_closes.get(code or 0), subject.refusing.get(code or 0)
        yield ServiceFault(
            "connection",
            f"close {code or 'without a code'}",
            _trouble(CloseWith(code, "a reason")),
            ends(fatal) if fatal else GOES_ON,
            ends(refusing) if refusing else None,
        )


_DROP = ServiceFault("connection", "drop", _trouble(Drop()))
CONNECTIONS = (
    ServiceFault("connection", "stall, for ever", _trouble(Stall())),
    ServiceFault("connection", "stall of 5 s", _trouble(Stall(5.0))),
    ServiceFault("connection", "half a message, then a drop", _trouble(HalfMessage())),
    ServiceFault("connection", "half a message, then a stall", _trouble(HalfMessage(stalls=True))),
    ServiceFault("connection", "bytes that are no frame", _trouble(Raw(b"\xff\xff\xff\xff not a frame"))),
    ServiceFault("connection", "does not read for 15 s", _trouble(Deaf(15.0))),
)


# Events.


def _swapped() -> Callable[[str | bytes], list[str | bytes]]:
    held: list[str | bytes] = []

    def swap(message: str | bytes) -> list[str | bytes]:
        if held:
            return [message, held.pop()]
        held.append(message)
        return []

    return swap


def _lossy(seed: int) -> Callable[[str | bytes], list[str | bytes]]:
    """Return what loses one event in twenty; those that begin or end something would be missed by no server."""
    chance = random.Random(seed)
    return lambda message: [] if b".delta" in _bytes(message) and chance.random() < 0.05 else [message]


def _bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _garbage(seed: int) -> list[str | bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(chance.randrange(1, 200)) for _ in range(20)]


def _events(subject: Subject) -> Iterator[ServiceFault]:
    def say(name: str, *messages: str | bytes) -> ServiceFault:
        return ServiceFault("event", name, _trouble(*map(Say, messages)))

    yield say("no JSON", '{"type": "response.output_audio.delta", "delta": ', "", "{", "\0", "NaN")
    yield say("JSON that is no object", "[]", "null", "5", '"text"', "[" * 2000 + "]" * 2000)
    yield say("binary", *_garbage(1))
    yield say("an unknown type", subject.unknown, '{"type": null}', '{"type": {}}', '{"type": ["a"]}', "{}")
    yield say("no fields, every type", *subject.bare)
    yield say("fields of another type, every type", *subject.ill_typed)
    yield say("8 MB in one event", json.dumps({"type": "voicepipe.large", "padding": "x" * 8_000_000}))
    yield ServiceFault(
        "event", "text that is no UTF-8", _trouble(Raw(b"\x81\x08\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"))
    )
    for name, change in (
        ("20 come twice", Change(lambda message: [message, message], 20)),
        ("20 come in another order", Change(_swapped(), 20)),
        ("deltas get lost", Change(_lossy(2), 200)),
    ):
        yield ServiceFault("event", name, _changing(name, change))


def _changing(name: str, change: Change) -> Callable[[Scene], Awaitable[None]]:
    async def strike(scene: Scene) -> None:
        # A change that remembers something is made anew for each cell.
        fresh = Change(_swapped(), change.messages) if "order" in name else change
        await _trouble(fresh)(scene)

    return strike


# What the server says of itself.


def _errors(subject: Subject) -> Iterator[ServiceFault]:
    for code, (message, named) in subject.errors.items():
        refusing = subject.refusing.get(code)
        yield ServiceFault(
            "error event",
            code,
            _trouble(Say(message)),
            ends(named) if named else GOES_ON,
            ends(refusing) if refusing else None,
        )


def _responses(subject: Subject) -> Iterator[ServiceFault]:
    ended = subject.ended_response
    if ended is None:
        return
    for status, reason in (
        ("failed", "server_error"),
        ("failed", "rate_limit_exceeded"),
        ("failed", "insufficient_quota"),
        ("incomplete", "max_output_tokens"),
        ("incomplete", "content_filter"),
        ("cancelled", "client_cancelled"),
    ):
        # The answer that ends so has been heard.
        allowed = Allowed(ends=reason) if reason == "insufficient_quota" else GOES_ON
        yield ServiceFault("response", f"{status}: {reason}", _response(ended, status, reason), allowed)


def _response(
    ended: Callable[[str | bytes, str, str], str | bytes], status: str, reason: str
) -> Callable[[Scene], Awaitable[None]]:
    async def strike(scene: Scene) -> None:
        is_left = [True]

        def change(message: str | bytes) -> list[str | bytes]:
            changed = ended(message, status, reason) if is_left[0] else message
            is_left[0] = is_left[0] and changed == message
            return [changed]

        await _trouble(Change(change))(scene)

    return strike


def service_faults(subject: Subject) -> tuple[ServiceFault, ...]:
    """Return all rows of a service."""
    return (
        *HANDSHAKES,
        _DROP,
        *_closes(subject),
        *CONNECTIONS,
        *_events(subject),
        *_errors(subject),
        *_responses(subject),
    )
