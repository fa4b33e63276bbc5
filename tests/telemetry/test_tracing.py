"""A call as OpenTelemetry sees it: the spans, what belongs to what, when they begin and end, and what is not in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tests.support.tones import spoken, tone_server
from tests.telemetry.recording.recorded import QUESTIONS, service
from voicepipe.local import Pace
from voicepipe.local.faults import Fault, Faults
from voicepipe.pipeline import Pipeline, run
from voicepipe.telemetry.calls import CallInfo
from voicepipe.telemetry.tracing import CallTraces
from voicepipe.transports.wav_file import Question, WavFileTransport

pytestmark = pytest.mark.virtual_time
INFO = CallInfo(call_id="call-7", engine="openai_realtime", caller="+15550001234", labels={"tenant": "a"})


class Traced:
    """The spans of one call, in the order in which they began."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    @property
    def call(self) -> ReadableSpan:
        [call] = self.named("invoke_agent")
        return call

    def named(self, start: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith(start)]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [dict(event.attributes or {}) for event in self.call.events if event.name == name]

    def text(self) -> str:
        return "\n".join(span.to_json() for span in self.spans)


async def call(*questions: Question, content: bool = False, faults: Faults | None = None) -> Traced:
    traced = Traced()
    traces = CallTraces(traced.provider, content=content)
    transport = WavFileTransport(list(questions))
    async with tone_server(faults=faults, pace=Pace(delta_ms=100, speed=2.0)) as server:
        pipeline = Pipeline([transport.input(), service(server.url), transport.output()])
        await run(pipeline, observers=[traces.observer(INFO)], handle_signals=False)
    return traced


def length_ms(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e6


async def test_a_span_for_the_call_each_turn_response_and_function():
    traced = await call(*QUESTIONS)
    assert [span.name for span in traced.spans] == [
        "invoke_agent openai_realtime",
        "turn",
        "chat gpt-realtime",
        "execute_tool get_weather",
        "chat gpt-realtime",
        "turn",
        "chat gpt-realtime",
        "turn",
        "chat gpt-realtime",
    ]
    turns = traced.named("turn")
    assert all(turn.parent.span_id == traced.call.context.span_id for turn in turns)
    parents = [
        turns.index(one)
        for span in traced.named("chat")
        for one in turns
        if one.context.span_id == span.parent.span_id
    ]
    assert parents == [0, 0, 1, 2]
    [tool] = traced.named("execute_tool")
    assert tool.parent.span_id == turns[0].context.span_id
    assert length_ms(tool) == pytest.approx(50, abs=2)
    assert [turn.attributes["voicepipe.turn.interrupted"] for turn in turns] == [False, True, False]
    for span in traced.spans:
        within = (
            traced.call
            if span.name == "turn"
            else next((t for t in turns if t.context.span_id == span.parent.span_id), span)
            if span.parent
            else span
        )
        assert within.start_time <= span.start_time
        assert span.end_time <= within.end_time, f"{span.name} outlasts its parent"


async def test_the_attributes_are_those_of_the_conventions():
    traced = await call(*QUESTIONS)
    about = dict(traced.call.attributes)
    assert about["gen_ai.operation.name"] == "invoke_agent"
    assert about["gen_ai.conversation.id"] == "call-7"
    assert about["gen_ai.provider.name"] == "openai"
    assert about["voicepipe.label.tenant"] == "a"
    assert about["voicepipe.call.end"] == "ended"
    assert about["voicepipe.call.cost_dollars"] > 0
    response = dict(traced.named("chat")[1].attributes)
    assert response["gen_ai.operation.name"] == "chat"
    assert response["gen_ai.request.model"] == "gpt-realtime"
    assert response["gen_ai.response.id"].startswith("resp_")
    assert response["gen_ai.output.type"] == "speech"
    assert response["gen_ai.usage.input_tokens"] > 0
    assert response["gen_ai.usage.output_tokens"] > 0
    used = [span.attributes["gen_ai.usage.output_tokens"] for span in traced.named("chat")]
    assert about["gen_ai.usage.output_tokens"] == sum(used)
    tool = dict(traced.named("execute_tool")[0].attributes)
    assert tool["gen_ai.operation.name"] == "execute_tool"
    assert tool["gen_ai.tool.name"] == "get_weather"
    assert tool["gen_ai.tool.call.id"]
    turn = dict(traced.named("turn")[0].attributes)
    assert turn["voicepipe.turn.latency.total_ms"] > 0


async def test_no_word_is_in_a_span_unless_that_is_asked_for():
    traced = await call(*QUESTIONS)
    text = traced.text()
    assert "weather in paris" not in text
    assert "a clear sky" not in text
    assert "+15550001234" not in text


async def test_words_that_are_asked_for_are_masked():
    digits = "my card is four one one one one one one one one one one one one one one one"
    traced = await call(QUESTIONS[0], Question(spoken(digits)), content=True)
    first, second = traced.named("turn")
    [said] = json.loads(first.attributes["gen_ai.input.messages"])
    assert said == {"role": "user", "parts": [{"type": "text", "content": "what is the weather in paris"}]}
    assert "Paris" in first.attributes["gen_ai.output.messages"]
    assert "my card is •••" in second.attributes["gen_ai.input.messages"]
    assert "four one one one" not in traced.text()
    [tool] = traced.named("execute_tool")
    assert json.loads(tool.attributes["gen_ai.tool.call.arguments"]) == {"city": "Paris"}
    assert json.loads(tool.attributes["gen_ai.tool.call.result"])["temperature"] == 18


async def test_a_lost_connection_and_the_one_after_it_are_events_of_the_call():
    faults = Faults([Fault(at="response.output_audio.delta", nth=3, do="drop")])
    traced = await call(Question(spoken("hello")), faults=faults)
    [lost] = traced.events("voicepipe.connection.lost")
    assert lost["voicepipe.detail"].startswith("1006")
    assert len(traced.events("voicepipe.connection.resumed")) == 1
    assert traced.call.status.status_code == StatusCode.UNSET


async def test_an_error_is_an_event_and_a_fatal_one_the_end():
    faults = Faults(
        [
            Fault(at="session.updated", do="error", code="odd", message="4111 1111 1111 1111 is odd"),
            Fault(at="response.created", do="error", code="insufficient_quota", message="no credit"),
        ]
    )
    traced = await call(Question(spoken("hello")), faults=faults)
    first, *_, last = traced.events("exception")
    assert first["exception.message"] == "odd: ••• is odd"
    assert first["voicepipe.fatal"] is False
    assert last["voicepipe.fatal"] is True
    assert traced.call.status.status_code == StatusCode.ERROR
    assert "no credit" in traced.call.status.description


async def test_the_call_is_a_child_of_the_span_that_is_open():
    traced = Traced()
    transport = WavFileTransport([QUESTIONS[0]])
    async with tone_server() as server:
        pipeline = Pipeline([transport.input(), service(server.url), transport.output()])
        with traced.provider.get_tracer("app").start_as_current_span("request") as outer:
            observer = CallTraces(traced.provider).observer(INFO)
            await run(pipeline, observers=[observer], handle_signals=False)
    assert traced.call.parent.span_id == outer.get_span_context().span_id
