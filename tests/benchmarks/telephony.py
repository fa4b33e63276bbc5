"""One call on an idle machine: what voicepipe adds to a click each way, and to a barge-in.

The carrier and the API are scripts on the same loop, so the times are of one clock and hold two loopback sockets each way:

- in: from when the carrier's frame is sent to when the `input_audio_buffer.append` with the click in it has arrived, and
  how far the click is shifted within the sound (the filter's delay);
- out: from when the delta with the click is sent to when the carrier has the media message with it, and the shift;
- barge-in: from when `speech_started` is sent to when the carrier has the `clear`.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import numpy.typing as npt
from loguru import logger
from pipecat.processors.frame_processor import FrameProcessor
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from voicepipe.audio.g711 import ulaw_decode, ulaw_encode
from voicepipe.audio.resampler import AudioResampler
from voicepipe.local.carriers import TwilioDialect
from voicepipe.pipeline import Pipeline, run
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    OpenAIRealtimeLLMService,
    SessionProperties,
)
from voicepipe.services.openai.realtime.events import PCMUAudioFormat
from voicepipe.transports.telephony import TelephonyTransport

FRAMES = 500
CLICK_EVERY = 10
DELTA_MS = 100
BARGE_INS = 30
_LOUD = 3000
_event_numbers = count(1)


@dataclass
class _Stream:
    """Sound that goes by in pieces, with the places of the clicks in it and when each piece was there."""

    rate: int
    clicks: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Where in the stream and when, in milliseconds."""
    samples: int = 0

    def take(self, pcm: npt.NDArray[np.int16]) -> None:
        level = np.abs(pcm.astype(int))
        if len(level) and level.max() > _LOUD:
            self.clicks.append(((self.samples + int(level.argmax())) * 1000 / self.rate, _now_ms()))
        self.samples += len(pcm)


def _now_ms() -> float:
    return asyncio.get_running_loop().time() * 1000


@dataclass
class _Call:
    """What was measured, with or without transcoding."""

    api_rate: int
    said: _Stream
    appended: _Stream
    sent: _Stream
    played: _Stream
    speech_ms: list[float] = field(default_factory=list[float])
    clear_ms: list[float] = field(default_factory=list[float])
    socket: ServerConnection | None = None
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)


def _decoded(sound: bytes, rate: int) -> npt.NDArray[np.int16]:
    return np.frombuffer(ulaw_decode(sound) if rate == 8000 else sound, np.int16)


async def _api(socket: ServerConnection, call: _Call) -> None:
    """The GA wire, as far as it is needed: it takes settings and sound."""
    call.socket = socket
    await _say(call, "session.created", session={"id": "sess_1"})
    async for message in socket:
        event = json.loads(message)
        if event["type"] == "session.update":
            await _say(call, "session.updated", session=event["session"])
            call.is_ready.set()
        elif event["type"] == "input_audio_buffer.append":
            call.appended.take(_decoded(b64decode(event["audio"]), call.api_rate))


async def _say(call: _Call, type_: str, **fields: object) -> None:
    assert call.socket is not None
    await call.socket.send(json.dumps({"type": type_, "event_id": f"event_{next(_event_numbers)}", **fields}))


async def _carrier(port: int, call: _Call) -> None:
    dialect = TwilioDialect()
    async with connect(f"ws://127.0.0.1:{port}/media", compression=None) as socket:
        for message in dialect.opening({}, both_tracks=False):
            await socket.send(message)
        listening = asyncio.create_task(_listen(socket, dialect, call))
        await call.is_ready.wait()
        next_ms = _now_ms()
        for number in range(1, FRAMES + 1):
            frame = np.zeros(160, np.int16)
            if number % CLICK_EVERY == 0:
                frame[37 * number % 160] = 30000
            next_ms += 20
            await asyncio.sleep(max(0.0, (next_ms - _now_ms()) / 1000))
            call.said.take(frame)
            await socket.send(dialect.media(ulaw_encode(frame.tobytes()), number, number * 20))
        await asyncio.sleep(0.1)
        await _answer(call)
        for message in dialect.stop():
            await socket.send(message)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(socket: ClientConnection, dialect: TwilioDialect, call: _Call) -> None:
    async for message in socket:
        event = json.loads(message)
        if event["event"] == "media":
            call.played.take(_decoded(b64decode(event["media"]["payload"]), 8000))
        elif event["event"] == "mark":
            await socket.send(dialect.played(event["mark"]["name"]))
        elif event["event"] == "clear":
            call.clear_ms.append(_now_ms())


async def _answer(call: _Call) -> None:
    """Say clicks, one in each delta, and then begin answers that are interrupted."""
    await _say(call, "response.created", response={"id": "resp_0", "conversation_id": "conv_1"})
    for number in range(FRAMES // CLICK_EVERY):
        await _delta(call, "resp_0", click_at=0.1 + 0.7 * (number % 7) / 7)
        await asyncio.sleep(DELTA_MS / 1000)
    done = {"id": "resp_0", "status": "completed", "output": []}
    await _say(call, "response.done", response=done)
    for number in range(1, BARGE_INS + 1):
        name = f"resp_{number}"
        await _say(call, "response.created", response={"id": name, "conversation_id": "conv_1"})
        await _delta(call, name, click_at=None)
        await asyncio.sleep(0.05)
        call.speech_ms.append(_now_ms())
        fields = {"item_id": f"user_{number}", "audio_start_ms": 0}
        await _say(call, "input_audio_buffer.speech_started", **fields)
        await asyncio.sleep(0.03)
        await _say(call, "response.done", response={"id": name, "status": "cancelled", "output": []})
        fields["audio_end_ms"] = 0
        await _say(call, "input_audio_buffer.speech_stopped", **fields)
        await asyncio.sleep(0.02)


async def _delta(call: _Call, response_id: str, *, click_at: float | None) -> None:
    pcm = np.zeros(call.api_rate * DELTA_MS // 1000, np.int16)
    if click_at is not None:
        pcm[int(len(pcm) * click_at)] = 30000
        call.sent.take(pcm)
    sound = ulaw_encode(pcm.tobytes()) if call.api_rate == 8000 else pcm.tobytes()
    ids = {"response_id": response_id, "item_id": f"item_{response_id}", "output_index": 0}
    delta = b64encode(sound).decode()
    await _say(call, "response.output_audio.delta", **ids, content_index=0, delta=delta)


def _late_ms(went: _Stream, came: _Stream) -> list[float]:
    """How much later each click came than it went: on its way, and within the sound."""
    pairs = zip(went.clicks, came.clicks, strict=True)
    return [(came_ms - went_ms) + (to_ms - from_ms) for (from_ms, went_ms), (to_ms, came_ms) in pairs]


async def _measure(*, transcoded: bool) -> _Call:
    rate = 24000 if transcoded else 8000
    call = _Call(rate, _Stream(8000), _Stream(rate), _Stream(rate), _Stream(8000))
    g711 = PCMUAudioFormat()
    audio = AudioConfiguration(input=AudioInput(format=g711), output=AudioOutput(format=g711))
    properties = SessionProperties() if transcoded else SessionProperties(audio=audio)

    async def api(socket: ServerConnection) -> None:
        await _api(socket, call)

    async with await serve(api, "127.0.0.1", 0, compression=None) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"

        async def media(socket: ServerConnection) -> None:
            transport = TelephonyTransport(socket)
            llm = OpenAIRealtimeLLMService(api_key="k", base_url=url, session_properties=properties)
            resampler: Sequence[FrameProcessor] = [AudioResampler()] if transcoded else []
            await run(
                Pipeline([transport.input(), *resampler, llm, transport.output()]), handle_signals=False
            )

        async with await serve(media, "127.0.0.1", 0, compression=None) as bot:
            await _carrier(bot.sockets[0].getsockname()[1], call)
    return call


def main() -> None:
    logger.remove()
    table = Table(title="One telephone call (Twilio's wire), milliseconds: median / longest")
    for heading in ("audio", "caller to API", "API to caller", "speech_started to clear"):
        table.add_column(heading, justify="right")
    for name, transcoded in (("G.711 to PCM 24 kHz and back", True), ("G.711 all the way", False)):
        call = asyncio.run(_measure(transcoded=transcoded))
        barge_ins = [to - at for at, to in zip(call.speech_ms, call.clear_ms, strict=True)]
        late = (_late_ms(call.said, call.appended), _late_ms(call.sent, call.played), barge_ins)
        table.add_row(name, *(f"{statistics.median(ms):.2f} / {max(ms):.2f}" for ms in late))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
