"""A caller on a socket of the local ElevenLabs server, who speaks in tones."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.local.elevenlabs.stage import payload
from tests.support.tones import heard, spoken
from voicepipe.audio.g711 import ulaw_decode, ulaw_encode
from voicepipe.local import Pace
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.elevenlabs import Agent, LocalElevenLabsServer
from voicepipe.local.speech.engines import speech_engine
from voicepipe.transports.sound import Sound

WITHIN_SECS: Final = 5.0
FAST: Final = Pace(speed=None)


def convai_server(*agents: Agent, script: Script | None = None, **kwargs: Any) -> LocalElevenLabsServer:
    """The local server with the default script, speaking in tones."""
    brain = ScriptBrain(script or Script.default())
    return LocalElevenLabsServer(
        agents or [Agent("agent_1")], speech=speech_engine("tones"), brain=brain, **kwargs
    )


class Caller:
    """One conversation, every event of which is kept; pings are answered."""

    answers_pings = True

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def send(self, **fields: Any) -> None:
        await self.socket.send(json.dumps(fields))

    async def begin(self, **fields: Any) -> dict[str, Any]:
        await self.send(type="conversation_initiation_client_data", **fields)
        return await self.until("conversation_initiation_metadata")

    async def next(self) -> dict[str, Any]:
        event = json.loads(await self.socket.recv())
        self.events.append(event)
        if event["type"] == "ping" and self.answers_pings:
            await self.send(type="pong", event_id=event["ping_event"]["event_id"])
        return event

    async def until(self, type_: str) -> dict[str, Any]:
        """Return the payload of the next event of a type."""
        async with asyncio.timeout(WITHIN_SECS):
            while True:
                event = await self.next()
                if event["type"] == type_:
                    return payload(event)

    async def until_closed(self, within_secs: float = WITHIN_SECS) -> tuple[int | None, str | None]:
        async with asyncio.timeout(within_secs):
            while True:
                try:
                    await self.next()
                except ConnectionClosed:
                    return self.socket.close_code, self.socket.close_reason

    async def say(self, text: str, kind: str = "pcm_16000", silence_ms: int = 500) -> None:
        """Speak, in the format `kind`, and pause."""
        rate = int(kind.split("_")[1])
        # Tones are made at a rate that they need, then brought to the one that is asked for.
        sound = spoken(text, rate).pcm + bytes(rate // 1000 * 2 * silence_ms)
        if kind.startswith("ulaw"):
            sound = ulaw_encode(sound)
        for start in range(0, len(sound), 3200):
            chunk = base64.b64encode(sound[start : start + 3200]).decode()
            await self.send(user_audio_chunk=chunk)

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [payload(event) for event in self.events if event["type"] == type_]

    def words(self, kind: str = "pcm_16000") -> str:
        """The words in all sound of the agent so far."""
        sound = b"".join(base64.b64decode(event["audio_base_64"]) for event in self.of("audio"))
        if kind.startswith("ulaw"):
            sound = ulaw_decode(sound)
        return heard(Sound(sound, int(kind.split("_")[1])))


@asynccontextmanager
async def calling(
    server: LocalElevenLabsServer, agent_id: str = "agent_1", *, protocols: Sequence[str] = (), **headers: str
) -> AsyncIterator[Caller]:
    url = f"{server.url}?agent_id={agent_id}"
    subprotocols: Any = list(protocols) or None
    async with connect(url, additional_headers=headers, subprotocols=subprotocols) as socket:
        yield Caller(socket)
