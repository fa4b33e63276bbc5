"""LiveKit Agents without a room: an `AgentSession` whose sound comes from and goes to Twilio's wire directly.

A room brings a media server, WebRTC and a SIP trunk with it, which would be measured too. What is here in its place is the
least that can be: two queues, G.711 by table, and marks for what was played. Resampling is LiveKit's own.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode, b64encode
from itertools import count

import orjson
from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.voice import io
from livekit.plugins import openai
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.benchmarks.peers.bots.serving import options, serve_calls
from voicepipe.audio.g711 import ulaw_decode, ulaw_encode

_OPTIONS = options()
_RATE = 8000


class _Ear(io.AudioInput):
    def __init__(self) -> None:
        super().__init__(label="twilio")
        self.frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue(500)

    async def __anext__(self) -> rtc.AudioFrame:
        return await self.frames.get()


class _Mouth(io.AudioOutput):
    def __init__(self, socket: ServerConnection, stream_id: str) -> None:
        super().__init__(
            label="twilio", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=_RATE
        )
        self._socket, self._stream_id = socket, stream_id
        self._names = count(1)
        self._pushed_secs = 0.0
        self._waiting: dict[str, float] = {}
        self.messages: asyncio.Queue[dict[str, object]] = asyncio.Queue(5000)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._pushed_secs += frame.duration
        payload = b64encode(ulaw_encode(bytes(frame.data))).decode()
        self._send("media", media={"payload": payload})

    def flush(self) -> None:
        super().flush()
        if self._pushed_secs:
            name = str(next(self._names))
            self._waiting[name], self._pushed_secs = self._pushed_secs, 0.0
            self._send("mark", mark={"name": name})

    def clear_buffer(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._send("clear")
        for secs in waiting.values():
            self.on_playback_finished(playback_position=secs / 2, interrupted=True)

    def played(self, name: str) -> None:
        secs = self._waiting.pop(name, None)
        if secs is not None:
            self.on_playback_finished(playback_position=secs, interrupted=False)

    async def write(self) -> None:
        while True:
            await self._socket.send(_text(await self.messages.get()))

    def _send(self, event: str, **fields: object) -> None:
        self.messages.put_nowait({"event": event, "streamSid": self._stream_id, **fields})


def _text(message: dict[str, object]) -> str:
    return orjson.dumps(message).decode()


async def media(socket: ServerConnection) -> None:
    stream_id = ""
    while not stream_id:
        stream_id = orjson.loads(await socket.recv()).get("streamSid", "")
    model = openai.realtime.RealtimeModel(api_key="k", base_url=_OPTIONS.api.removesuffix("/realtime"))
    session = AgentSession(llm=model)
    ear, mouth = _Ear(), _Mouth(socket, stream_id)
    session.input.audio, session.output.audio = ear, mouth
    writing = asyncio.create_task(mouth.write())
    await session.start(Agent(instructions="You answer in one sentence."), record=False)
    try:
        async for message in socket:
            event = orjson.loads(message)
            if event["event"] == "media":
                pcm = ulaw_decode(b64decode(event["media"]["payload"]))
                await ear.frames.put(rtc.AudioFrame(pcm, _RATE, 1, len(pcm) // 2))
            elif event["event"] == "mark":
                mouth.played(event["mark"]["name"])
    except ConnectionClosed:
        pass
    writing.cancel()
    await session.aclose()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    serve_calls(media)
