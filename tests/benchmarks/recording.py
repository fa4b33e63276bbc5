"""What recording a call costs: of the processor for each second of call, and of the time in which sound is held up.

A minute of a telephone call is told to a recorder as fast as it takes it: a caller who never stops, every chunk of his on
the wire as well, and a bot that speaks half of the time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from loguru import logger
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from rich.console import Console
from rich.table import Table

from voicepipe.frames import Frame, InputAudioRawFrame, LLMTextFrame, TTSAudioRawFrame
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService
from voicepipe.telemetry.recording import CallRecorder

SECONDS = 60
CHUNKS_A_SECOND = 50


def _pushed(frame: Frame, source: FrameProcessor) -> FramePushed:
    return FramePushed(source, source, frame, FrameDirection.DOWNSTREAM, 0, first_push=True)


def _sound(rng: np.random.Generator, ms: int, rate: int) -> bytes:
    return rng.integers(-9000, 9000, rate * ms // 1000, np.int16).tobytes()


async def _record(folder: Path) -> tuple[float, float, list[float]]:
    """Return the processor's time while the call ran and after it, and how long each chunk was held up, in seconds."""
    rng = np.random.default_rng(1)
    line, llm = (
        FrameProcessor(name="line"),
        OpenAIRealtimeLLMService(api_key="k", base_url="ws://127.0.0.1:1/"),
    )
    recorder = CallRecorder(folder, [llm])
    tap = llm.wire_link.taps[0]
    tap("opened", b"ws://127.0.0.1:1/")
    held_up: list[float] = []
    gc.collect()
    chunks = list(_chunks(rng))
    spent = -time.process_time()
    for frames, sent, received in chunks:
        began = time.perf_counter()
        tap("sent", sent)
        for message in received:
            tap("received", message)
        for frame in frames:
            await recorder.on_push_frame(
                _pushed(frame, line if isinstance(frame, InputAudioRawFrame) else llm)
            )
        held_up.append(time.perf_counter() - began)
        # The writer's thread runs between two chunks, as it does in a call.
        while recorder.waiting_bytes > 20_000:  # noqa: ASYNC110 - a thread empties it, and tells nobody
            await asyncio.sleep(0.0005)
    spent += time.process_time()
    after = -time.process_time()
    await recorder.close()
    return spent, after + time.process_time(), held_up


def _chunks(rng: np.random.Generator) -> Iterator[tuple[list[Frame], bytes, list[bytes]]]:
    for index in range(SECONDS * CHUNKS_A_SECOND):
        frames: list[Frame] = [InputAudioRawFrame(_sound(rng, 20, 8000), 8000, 1)]
        audio = b64encode(_sound(rng, 20, 24000)).decode()
        sent = json.dumps({"type": "input_audio_buffer.append", "audio": audio}).encode()
        received: list[bytes] = []
        if index // CHUNKS_A_SECOND % 2 and index % 5 == 0:
            sound = _sound(rng, 100, 24000)
            ids = {"response_id": "resp_1", "item_id": "item_1"}
            delta = {"type": "response.output_audio.delta", **ids, "delta": b64encode(sound).decode()}
            words = {"type": "response.output_audio_transcript.delta", **ids, "delta": " word"}
            received = [json.dumps(one).encode() for one in (delta, words)]
            frames += [TTSAudioRawFrame(sound, 24000, 1, context_id="resp_1"), LLMTextFrame(" word")]
        yield frames, sent, received


def main() -> None:
    logger.remove()
    with TemporaryDirectory() as folder:
        during, after, held_up = asyncio.run(_record(Path(folder) / "call"))
        size = sum(file.stat().st_size for file in (Path(folder) / "call").iterdir())
    table = Table(title="Recording a call of 8 kHz whose bot speaks half of the time")
    for heading in (
        "% of a processor",
        "held up: median µs",
        "99 % µs",
        "afterwards, ms a minute",
        "MB a minute",
    ):
        table.add_column(heading, justify="right")
    table.add_row(
        f"{100 * during / SECONDS:.2f}",
        f"{1e6 * statistics.median(held_up):.0f}",
        f"{1e6 * statistics.quantiles(held_up, n=100)[98]:.0f}",
        f"{1000 * after / SECONDS * 60:.0f}",
        f"{size / SECONDS * 60 / 1e6:.1f}",
    )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
