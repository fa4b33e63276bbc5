"""A client of the local GA server that sends what it is told to, also what no client should, and keeps what comes."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect

from tests.support.tones import spoken
from voicepipe.local import LocalServer

WITHIN_SECS = 5.0
"""No test waits longer for anything."""


class Client:
    """One session. Messages that are no JSON are kept as they are, with their text."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def send(self, type_: str, **fields: Any) -> None:
        await self.socket.send(orjson.dumps({"type": type_, **fields}).decode())

    async def update(self, **session: Any) -> None:
        await self.send("session.update", session={"type": "realtime", **session})
        await self.until("session.updated")

    async def say(self, text: str, silence_ms: int = 400) -> None:
        pcm = spoken(text).pcm + bytes(48 * silence_ms)
        for start in range(0, len(pcm), 4800):
            chunk = b64encode(pcm[start : start + 4800]).decode()
            await self.send("input_audio_buffer.append", audio=chunk)

    async def next(self) -> dict[str, Any]:
        """Return the next event; in the place of a message that is no JSON, its text."""
        message = await self.socket.recv()
        try:
            event = orjson.loads(message)
        except orjson.JSONDecodeError:
            event = {"type": "malformed", "text": message}
        self.events.append(event)
        return event

    async def until(self, type_: str) -> dict[str, Any]:
        """Return the next event of a type."""
        async with asyncio.timeout(WITHIN_SECS):
            while (event := await self.next())["type"] != type_:
                pass
        return event

    async def rest(self) -> None:
        """Take what comes until the server closes."""
        async with asyncio.timeout(WITHIN_SECS):
            async for message in self.socket:
                self.events.append(orjson.loads(message))

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def sound(self) -> bytes:
        deltas = (event for event in self.events if event["type"] == "response.output_audio.delta")
        return b"".join(b64decode(event["delta"]) for event in deltas)


@asynccontextmanager
async def connected(server: LocalServer, model: str = "gpt-realtime") -> AsyncIterator[Client]:
    headers = {"Authorization": "Bearer any"}
    async with connect(f"{server.url}?model={model}", additional_headers=headers, max_size=None) as socket:
        client = Client(socket)
        await client.until("session.created")
        yield client
