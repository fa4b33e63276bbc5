"""A click's way through the whole pipeline: how much later than it went in it comes out, beside Pipecat's resampler.

Sound of 8 kHz goes in, is resampled to 24 kHz, an echo on the wire sends it back, and it is resampled to 8 kHz: a
telephone call with a model that answers at once. The only difference between the two rows is who resamples.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Sequence
from itertools import count

import numpy as np
from loguru import logger
from pipecat.audio.utils import create_stream_resampler
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from rich.console import Console
from rich.table import Table
from websockets.asyncio.server import ServerConnection, serve

from voicepipe.audio.resampler import AudioResampler
from voicepipe.frames import EndFrame, Frame, InputAudioRawFrame, OutputAudioRawFrame, TTSAudioRawFrame
from voicepipe.pipeline import Pipeline, PipelineWorker, run
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService

RATE = 8000
CHUNK = RATE // 50
CLICK_EVERY_MS = 400
CLICKS = 25


async def _echo(connection: ServerConnection) -> None:
    """The GA wire, reduced to a session whose one response is what it hears."""

    event_numbers = count(1)

    async def say(type_: str, **fields: object) -> None:
        await connection.send(
            json.dumps({"type": type_, "event_id": f"event_{next(event_numbers)}", **fields})
        )

    await say("session.created", session={"id": "sess_1"})
    ids = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    async for message in connection:
        event = json.loads(message)
        if event["type"] == "session.update":
            await say("session.updated", session=event["session"])
            await say("response.created", response={"id": "resp_1", "conversation_id": "conv_1"})
        elif event["type"] == "input_audio_buffer.append":
            await say("response.output_audio.delta", **ids, delta=event["audio"])


class _PipecatResampler(FrameProcessor):
    """What Pipecat's transports and services do with sound of another rate, as one processor."""

    def __init__(self, rate: int, kind: type[Frame]) -> None:
        super().__init__(enable_direct_mode=True)
        self._resampler = create_stream_resampler()
        self._rate = rate
        self._kind = kind

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, self._kind):
            frame.audio = await self._resampler.resample(frame.audio, frame.sample_rate, self._rate)
            frame.sample_rate = self._rate
        await self.push_frame(frame, direction)


class _Clicks(FrameProcessor):
    """Notes when each click comes out: its arrival, plus its place in a stream that is played without gaps."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.heard_ms: list[float] = []
        self._plays_until_ms = 0.0
        self._last_ms = -1e9

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame) and frame.audio:
            samples = np.abs(np.frombuffer(frame.audio, np.int16).astype(int))
            begins_ms = max(_now_ms(), self._plays_until_ms)
            self._plays_until_ms = begins_ms + 1000 * len(samples) / RATE
            at_ms = begins_ms + 1000 * int(samples.argmax()) / RATE
            if samples.max() > 6000 and at_ms - self._last_ms > CLICK_EVERY_MS / 2:
                self.heard_ms.append(at_ms)
                self._last_ms = at_ms
        await self.push_frame(frame, direction)


def _now_ms() -> float:
    return asyncio.get_running_loop().time() * 1000


async def _speak(worker: PipelineWorker, clicks: _Clicks) -> list[float]:
    """Send chunks as a telephone does, each when its last sample is there; returns how late each click was heard."""
    said_ms: list[float] = []
    next_ms = _now_ms()
    for index in range(CLICKS * CLICK_EVERY_MS // 20):
        chunk = np.zeros(CHUNK, np.int16)
        next_ms += 20
        if index % (CLICK_EVERY_MS // 20) == 5:
            place = (37 * index) % CHUNK
            chunk[place] = 30000
            said_ms.append(next_ms - 20 + 1000 * place / RATE)
        await asyncio.sleep(max(0.0, (next_ms - _now_ms()) / 1000))
        await worker.queue_frame(InputAudioRawFrame(chunk.tobytes(), RATE, 1))
    await asyncio.sleep(0.3)
    await worker.queue_frame(EndFrame())
    return [heard - said for said, heard in zip(said_ms, clicks.heard_ms, strict=False)]


async def _measure(before: Sequence[FrameProcessor], after: Sequence[FrameProcessor]) -> list[float]:
    clicks, late_ms = _Clicks(), list[float]()
    async with await serve(_echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        llm = OpenAIRealtimeLLMService(api_key="k", base_url=f"ws://127.0.0.1:{port}/v1/realtime")
        worker = PipelineWorker(Pipeline([*before, llm, *after, clicks]), enable_rtvi=False)

        async def speak() -> None:
            late_ms.extend(await _speak(worker, clicks))

        await asyncio.gather(run(worker, handle_signals=False), speak())
    return late_ms


def main() -> None:
    logger.remove()
    ours = asyncio.run(_measure([AudioResampler()], [AudioResampler(out_rate=RATE)]))
    before, after = _PipecatResampler(24000, InputAudioRawFrame), _PipecatResampler(RATE, OutputAudioRawFrame)
    theirs = asyncio.run(_measure([before], [after]))
    table = Table(
        title="A click, 8 kHz to 24 kHz and back: from its own time to when it is heard, 20 ms chunks"
    )
    for heading in ("resampler", "median ms", "longest ms", "of these, the chunk itself"):
        table.add_column(heading, justify="right")
    for name, late_ms in (("voicepipe", ours), ("Pipecat", theirs)):
        table.add_row(name, f"{statistics.median(late_ms):.1f}", f"{max(late_ms):.1f}", "up to 20")
    console = Console(width=110)
    console.print(table)
    console.print(f"Pipecat / voicepipe, medians: {statistics.median(theirs) / statistics.median(ours):.1f}")


if __name__ == "__main__":
    main()
