"""A call as Prometheus counts it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.support.tones import spoken, tone_server
from tests.telemetry.recording.recorded import QUESTIONS, service
from voicepipe.local import Pace
from voicepipe.local.faults import Fault, Faults
from voicepipe.pipeline import Pipeline, run
from voicepipe.quick_socket import QuickClientConnection
from voicepipe.realtime.backlog import Backlog
from voicepipe.realtime.connection import Limits
from voicepipe.telemetry.metrics import CallMetrics
from voicepipe.transports.wav_file import Question, WavFileTransport

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"


@pytest.mark.virtual_time
async def test_a_call_is_counted():
    registry = CollectorRegistry()
    metrics = CallMetrics(registry)
    transport = WavFileTransport(list(QUESTIONS))
    async with tone_server() as server:
        pipeline = Pipeline([transport.input(), service(server.url), transport.output()])
        await run(pipeline, observers=[metrics.observer()], handle_signals=False)

    def value(metric: str, /, **labels: str) -> float | None:
        return registry.get_sample_value(f"voicepipe_{metric}", labels)

    assert value("calls_active") == 0
    assert value("calls_total", end="ended") == 1
    assert value("turns_total") == 3
    assert value("barge_ins_total") == 1
    assert value("turn_latency_seconds_count", stage="total") == 3
    assert value("tool_calls_total", name="get_weather", status="done") == 1
    assert value("tool_seconds_sum", name="get_weather") == pytest.approx(0.05)
    assert value("cost_dollars_total")
    assert value("tokens_total", model="gpt-realtime", kind="audio_output")
    assert value("call_seconds_total") == pytest.approx(7.9, abs=0.5)


class Queue:
    """Something with a queue that is no processor, such as a recorder."""

    def __init__(self) -> None:
        self.waiting_bytes, self.dropped = 70, 3

    def backlog(self) -> Backlog:
        return Backlog("recording", self.waiting_bytes, self.dropped)


@pytest.mark.virtual_time
async def test_lost_connections_drops_and_queues_are_counted():
    registry, queue, during = CollectorRegistry(), Queue(), []
    metrics = CallMetrics(registry)
    transport = WavFileTransport([Question(spoken("hello"))])
    faults = Faults([Fault(at="response.output_audio.delta", nth=3, do="drop")])

    def value(metric: str, /, **labels: str) -> float | None:
        return registry.get_sample_value(f"voicepipe_{metric}", labels)

    async with tone_server(faults=faults, pace=Pace(delta_ms=100, speed=2.0)) as server:
        llm = service(server.url)

        @llm.event_handler("on_resumed")
        async def resumed(_llm: object) -> None:
            during.append(value("queue_bytes", queue="recording"))

        pipeline = Pipeline([transport.input(), llm, transport.output()])
        await run(pipeline, observers=[metrics.observer(queues=[queue])], handle_signals=False)
    assert value("connections_total", fate="lost") == 1
    assert value("connections_total", fate="resumed") == 1
    assert value("connections_total", fate="renewed") is None
    assert during == [70]
    assert value("queue_bytes", queue="recording") == 0
    assert value("dropped_total", queue="recording") == 3
    assert value("dropped_total", queue="service") == 0


@pytest.mark.virtual_time
async def test_sound_that_a_service_could_not_send_is_counted(monkeypatch):
    # As if the socket were never ready to take more.
    monkeypatch.setattr(QuickClientConnection, "send_now", lambda *_: False)
    registry = CollectorRegistry()
    metrics = CallMetrics(registry)
    transport = WavFileTransport([Question(spoken("hello"))], answer_timeout_secs=2.0)
    async with tone_server() as server:
        llm = service(server.url, limits=Limits(max_queued_bytes=1))
        pipeline = Pipeline([transport.input(), llm, transport.output()])
        observer = metrics.observer()
        await run(pipeline, observers=[observer], handle_signals=False)
    dropped = registry.get_sample_value("voicepipe_dropped_total", {"queue": "service"})
    assert dropped == llm.backlog().dropped > 10


def test_the_dashboard_asks_for_metrics_that_there_are():
    registry = CollectorRegistry()
    CallMetrics(registry)
    there = set(re.findall(r"# TYPE (voicepipe_\w+?)(?:_total)? ", generate_latest(registry).decode()))
    asked = set(re.findall(r"voicepipe_\w+", json.dumps(json.loads(DASHBOARD.read_text())["panels"])))
    assert asked
    assert {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked} <= there


def test_a_registry_takes_them_once():
    registry = CollectorRegistry()
    CallMetrics(registry)
    with pytest.raises(ValueError, match="Duplicated"):
        CallMetrics(registry)
