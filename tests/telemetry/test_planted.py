"""A card number and a key that are planted in a call are nowhere in what is written of it, nor in its sound."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loguru import logger
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from tests.support.tones import spoken, tone_server
from tests.telemetry.recording.recorded import properties
from voicepipe.local.faults import Fault, Faults
from voicepipe.local.speech.tones import ToneEars
from voicepipe.pipeline import Pipeline, run
from voicepipe.replay import recorded_bot, replay, told
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService
from voicepipe.telemetry.calls import CallInfo
from voicepipe.telemetry.logs import in_call, log_json
from voicepipe.telemetry.metrics import CallMetrics
from voicepipe.telemetry.recording import CallRecorder, Recording
from voicepipe.telemetry.recording.page import page_of
from voicepipe.telemetry.tracing import CallTraces
from voicepipe.transports.wav_file import Question, WavFileTransport
from voicepipe.watch import Board
from voicepipe.watch.watcher import Watcher

KEY = "sk-planted-0123456789abcdef"
SAID = "four one one one two two two two three three three three four four four four"
FIGURES = "4111 2222 3333 4444"
PLANTED = (
    KEY,
    "planted-0123456789",
    SAID,
    "two two two two three three",
    FIGURES,
    "411122223333",
    "2222 3333",
)
CHARGE = {
    "type": "function",
    "name": "charge",
    "parameters": {
        "type": "object",
        "properties": {"card": {"type": "string"}, "api_key": {"type": "string"}},
        "required": ["card"],
    },
}
SCRIPT = f"""
otherwise: Fine.
rules:
  - hear: card
    call: [{{name: charge, arguments: {{card: "{FIGURES}", api_key: "{KEY}"}}}}]
    then: "I have {SAID}."
  - hear: hello
    say: Hello to you.
"""


class Everything:
    """All that is written of one call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = io.StringIO()
        self.spans = InMemorySpanExporter()
        self.registry = CollectorRegistry()
        self.board = Board()
        self.on_board: list[dict[str, Any]] = []

    async def hold(self) -> None:
        info = CallInfo(call_id="call-1", caller="+15550001234", labels={"card": FIGURES})
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        script = [Question(spoken(text)) for text in ("hello", f"my card is {SAID}", "hello")]
        transport = WavFileTransport(script)
        error = Fault(at="session.updated", do="error", code="odd", message=f"{KEY} with {FIGURES} is odd")
        async with tone_server(SCRIPT, faults=Faults([error])) as server:
            settings = properties().model_copy(update={"tools": [CHARGE]})
            llm = OpenAIRealtimeLLMService(api_key=KEY, base_url=server.url, session_properties=settings)
            llm.register_function("charge", self._charge)
            recorder = CallRecorder(self.folder, [llm], info=info, zip=True)
            recorder.note(f"the key is {KEY}", card=FIGURES, password="hunter2hunter2")
            observers = [
                recorder,
                CallTraces(provider, content=True).observer(info),
                CallMetrics(self.registry).observer(queues=[recorder]),
                self.board.observer(info, recording=str(recorder.place)),
            ]
            pipeline = Pipeline([transport.input(), llm, transport.output()])
            with in_call(info.call_id):
                await run(pipeline, observers=observers, handle_signals=False)
        watcher = Watcher()
        self.board.join(watcher)
        self.on_board = await watcher.batch()
        self.board.close()

    async def _charge(self, params: Any) -> None:
        logger.info(f"charging {params.arguments}")
        logger.bind(card=FIGURES).error(f"Bearer {KEY} was refused for {FIGURES}")
        await params.result_callback({"card": FIGURES, "token": KEY, "left": 12})


@pytest.fixture
async def everything(tmp_path: Path) -> Everything:
    everything = Everything(tmp_path / "call")
    sink = log_json(everything.log, level="DEBUG", alone=False)
    try:
        await everything.hold()
    finally:
        logger.remove(sink)
    return everything


def texts(everything: Everything) -> Iterator[tuple[str, str]]:
    archive = everything.folder.with_suffix(".zip")
    with zipfile.ZipFile(archive) as files:
        yield "the recording", files.read("events.jsonl").decode()
    yield "the page", page_of(Recording(archive))
    yield "the log", everything.log.getvalue()
    yield "the trace", "\n".join(span.to_json() for span in everything.spans.get_finished_spans())
    yield "the metrics", generate_latest(everything.registry).decode()
    yield "the board", json.dumps(everything.on_board, ensure_ascii=False)


@pytest.mark.virtual_time
async def test_a_planted_card_number_and_key_are_nowhere(everything: Everything):
    written = dict(texts(everything))
    for where, text in written.items():
        assert len(text) > 200, f"{where} is empty"
        for planted in (*PLANTED, "hunter2"):
            assert planted not in text, f"{planted!r} is in {where}"
    # They were there: what stands around them is, where words are kept.
    for where in ("the recording", "the page", "the board"):
        assert "my card is •••" in written[where], where
    assert "my card is" in written["the trace"]
    assert "charging" in written["the log"]
    assert "+15550001234" not in written["the log"] + written["the trace"] + written["the board"]


@pytest.mark.virtual_time
async def test_neither_party_is_heard_saying_it(everything: Everything):
    recording = Recording(everything.folder.with_suffix(".zip"))
    both = np.fromfile(recording.tracks, np.int16, offset=44).reshape(-1, 2)
    caller, bot = (ToneEars().listen(np.ascontiguousarray(both[:, side]), 16000) for side in (0, 1))
    assert "hello" in caller
    assert "hello to you" in bot.lower()
    for words in (caller, bot):
        for digit in ("two two", "three three", "one one"):
            assert digit not in words.lower()
    # Nor is it in a piece of the file that no track was made of.
    whole = (recording.folder / "sound.pcm").read_bytes()
    for rate in (16000, 24000):
        heard = ToneEars().listen(np.frombuffer(whole[: len(whole) // 2 * 2], np.int16), rate)
        assert "two two" not in heard.lower()


@pytest.mark.virtual_time
async def test_nor_are_they_in_a_replay(everything: Everything):
    recording = Recording(everything.folder.with_suffix(".zip"))
    replayed = await asyncio.to_thread(replay, recording, recorded_bot(recording))
    story = told(replayed)
    assert "my card is •••" in story
    assert not [planted for planted in PLANTED if planted in story]
