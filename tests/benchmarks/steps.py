"""What single steps on the way of sound cost, in microseconds: the median of batches, warm, one after the other."""

from __future__ import annotations

import asyncio
import statistics
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import orjson
from loguru import logger
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from rich.console import Console
from rich.table import Table

from voicepipe.frames import EndFrame, Frame, InputAudioRawFrame
from voicepipe.hops import SoundHops
from voicepipe.pipeline import Pipeline, PipelineWorker, run
from voicepipe.services.openai.realtime.session import OpenAIRealtimeSession
from voicepipe.transports.telephony.twilio import TwilioWire

_BATCHES, _BATCH = 30, 200
_PROCESSORS = 10

# One message of each kind that matters while a call goes on, as the server sends them.
_IDS = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
_ITEM = {"id": "item_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
_RESPONSE = {"id": "resp_1", "conversation_id": "conv_1", "status": "completed", "output": [], "usage": None}
_EVENTS: dict[str, dict[str, Any]] = {
    "response.output_audio.delta": {**_IDS, "delta": b64encode(bytes(4800)).decode()},
    "response.output_audio_transcript.delta": {**_IDS, "delta": "Good morning."},
    "response.created": {"response": {**_RESPONSE, "status": "in_progress"}},
    "response.done": {"response": _RESPONSE},
    "response.output_item.added": {"response_id": "resp_1", "output_index": 0, "item": _ITEM},
    "response.output_item.done": {"response_id": "resp_1", "output_index": 0, "item": _ITEM},
    "conversation.item.added": {"previous_item_id": None, "item": _ITEM},
    "input_audio_buffer.speech_started": {"item_id": "user_1", "audio_start_ms": 0},
    "input_audio_buffer.speech_stopped": {"item_id": "user_1", "audio_end_ms": 900},
    "input_audio_buffer.committed": {"item_id": "user_1", "previous_item_id": None},
    "conversation.item.input_audio_transcription.completed": {"item_id": "user_1", "transcript": "Hello."},
    "rate_limits.updated": {
        "rate_limits": [{"name": "tokens", "limit": 1, "remaining": 1, "reset_seconds": 1}]
    },
    "response.content_part.added": {**_IDS, "part": {"type": "audio", "transcript": ""}},
}


class _Pipecats(FrameProcessor):
    """Passes all on, as any processor of Pipecat's."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


class _Ours(SoundHops):
    """The same with the quick way for sound."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


def main() -> None:
    logger.remove()
    table = Table(title="Microseconds, medians of batches")
    table.add_column("step")
    table.add_column("µs", justify="right")
    for name, kind in (("a hop of sound, Pipecat's processor", _Pipecats), ("a hop of sound, ours", _Ours)):
        table.add_row(name, f"{asyncio.run(_hop_us(kind)):.2f}")
    for name, step in _steps().items():
        table.add_row(name, f"{_us(step):.2f}")
    Console(width=110).print(table)


def _us(step: Callable[[], object]) -> float:
    spent: list[float] = []
    for _ in range(_BATCHES):
        began = time.perf_counter()
        for _ in range(_BATCH):
            step()
        spent.append((time.perf_counter() - began) / _BATCH * 1e6)
    return statistics.median(spent)


async def _hop_us(kind: Callable[[], FrameProcessor]) -> float:
    """Return what a processor more costs a frame."""
    spent: dict[int, float] = {}
    for count in (1, 1 + _PROCESSORS):
        first, *others = [kind() for _ in range(count)]

        async def give(worker: PipelineWorker, first: FrameProcessor = first, count: int = count) -> None:
            frame = InputAudioRawFrame(bytes(320), 8000, 1)
            batches: list[float] = []
            for _ in range(_BATCHES):
                began = time.perf_counter()
                for _ in range(_BATCH):
                    await first.queue_frame(frame)
                batches.append((time.perf_counter() - began) / _BATCH * 1e6)
            spent[count] = statistics.median(batches)
            await worker.queue_frame(EndFrame())

        await run(Pipeline([first, *others]), on_started=give, handle_signals=False)
    return (spent[1 + _PROCESSORS] - spent[1]) / _PROCESSORS


def _steps() -> dict[str, Callable[[], object]]:
    session = _ready()
    pcm, voice = bytes(960), iter(range(10**9))
    wire = TwilioWire()
    payload = b64encode(bytes(160)).decode()
    media = orjson.dumps({"event": "media", "media": {"payload": payload, "chunk": "1"}, "streamSid": "MZ1"})
    steps: dict[str, Callable[[], object]] = {
        "an append, 20 ms at 24 kHz": lambda: session.append_audio(pcm),
        "a change of settings": lambda: session.update({"instructions": f"Answer {next(voice)}."}),
        "Twilio: a message of sound read": lambda: wire.receive(media),
        "Twilio: a message of 100 ms made": lambda: wire.media(bytes(800)),
    }
    return steps | {f"event: {kind}": _receiving(kind) for kind in _EVENTS}


def _ready() -> OpenAIRealtimeSession:
    session = OpenAIRealtimeSession()
    session.open()
    for kind in ("session.created", "session.updated"):
        session.receive(_message(kind, {"session": {"id": "sess_1"}}))
    return session


def _receiving(kind: str) -> Callable[[], object]:
    session = _ready()
    session.receive(_message("response.created", _EVENTS["response.created"]))
    # Without ids of events, none of which may come twice.
    message = _message(kind, _EVENTS[kind])
    return lambda: session.receive(message)


def _message(kind: str, fields: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": kind, **fields})


if __name__ == "__main__":
    main()
