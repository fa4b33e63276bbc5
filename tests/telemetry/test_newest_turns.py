"""Each turn is counted once and has one span, however often the user speaks while an answer is heard."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from prometheus_client import CollectorRegistry

from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.telemetry import CallObserver, Turn
from voicepipe.telemetry.metrics import CallMetrics
from voicepipe.telemetry.newest_turns import NewestTurns
from voicepipe.telemetry.tracing import CallTraces


async def a_story_with_murmurs(observer: CallObserver, *, cut: bool = False) -> None:
    """Have an observer see an answer of ten seconds into which the user murmurs four times."""
    end = FrameProcessor()

    async def see(*frames: Frame) -> None:
        for frame in frames:
            pushed = FramePushed(end, end, frame, FrameDirection.DOWNSTREAM, timestamp=0)
            await observer.on_push_frame(pushed)

    await observer.on_pipeline_started()
    await see(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame())
    sound = TTSAudioRawFrame(bytes(480_000), 24000, 1, context_id="resp_1")
    await see(LLMTextFrame("Once."), sound, BotStartedSpeakingFrame())
    for _ in range(4):
        await asyncio.sleep(1)
        await see(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame())
    await see(LLMFullResponseEndFrame())
    if cut:
        await see(InterruptionFrame())
    else:
        await asyncio.sleep(6)
    await see(BotStoppedSpeakingFrame())
    await observer.cleanup()
    await end.cleanup()


@pytest.mark.virtual_time
async def test_metrics_count_each_turn_once_and_as_it_was_at_last():
    registry = CollectorRegistry()
    await a_story_with_murmurs(CallMetrics(registry).observer(), cut=True)
    assert registry.get_sample_value("voicepipe_turns_total") == 5
    assert registry.get_sample_value("voicepipe_barge_ins_total") == 1


@pytest.mark.virtual_time
async def test_a_trace_has_one_span_for_each_turn():
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    await a_story_with_murmurs(CallTraces(provider).observer())
    turns = [span for span in exporter.get_finished_spans() if span.name == "turn"]
    assert sorted((span.attributes or {})["voicepipe.turn.index"] for span in turns) == [0, 1, 2, 3, 4]
    [first] = [span for span in turns if (span.attributes or {})["voicepipe.turn.index"] == 0]
    assert (first.attributes or {})["voicepipe.turn.heard_ms"] == 10_000.0


def test_where_a_transport_never_says_that_the_bot_has_stopped_few_turns_are_kept():
    newest = NewestTurns()
    over = [one.index for index in range(100) for one in newest.take(Turn(index, 0.0, bot_started_ms=1.0))]
    assert over == list(range(84))
    assert [turn.index for turn in newest.rest()] == list(range(84, 100))
    assert newest.take(Turn(3, 0.0)) == []
    assert newest.rest() == []
