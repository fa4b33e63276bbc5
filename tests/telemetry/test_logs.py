"""The log as JSON lines: each with its own call's id, none with a secret, and each of them one line."""

from __future__ import annotations

import asyncio
import errno
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from loguru import logger

from tests.support.phones import FakeCarrier
from tests.support.tones import spoken, tone_server
from tests.telemetry.recording.recorded import QUESTIONS, service
from voicepipe.phone import OpenAIRealtime
from voicepipe.pipeline import Pipeline, run
from voicepipe.telemetry.logs import in_call, log_json
from voicepipe.telemetry.recording.masking import Masking
from voicepipe.telemetry.recording.writer import Event, Fact, Moment, Writer
from voicepipe.transports.wav_file import WavFileTransport


class Log:
    def __init__(self, **options: Any) -> None:
        self.stream = io.StringIO()
        self.sink = log_json(self.stream, level="DEBUG", alone=False, **options)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    logger.remove(log.sink)


def test_a_message_is_one_line_whatever_is_in_it(log):
    logger.info('one\ntwo\r\u2028three\x85"four" {}')
    [line] = log.lines
    assert line["message"] == 'one\ntwo\r\u2028three\x85"four" {}'
    assert line["level"] == "INFO"
    assert line["where"].startswith("tests.telemetry.test_logs:") or "test_logs" in line["where"]
    assert line["time"].endswith("+00:00")
    assert "call" not in line


def test_numbers_cards_and_keys_are_masked(log):
    logger.bind(to="+15550001234", api_key="abc").info(
        "call from +15550001234, card 4111 1111 1111 1111, Bearer abcdefghijklmnop1234, sk-abcdefghijklmnop1234"
    )
    text = log.stream.getvalue()
    assert log.lines[0]["message"] == "call from ***1234, card •••, Bearer •••, •••"
    assert log.lines[0]["extra"] == {"to": "***1234", "api_key": "•••"}
    for secret in ("5550001234", "4111", "abcdefghijklmnop1234", '"abc"'):
        assert secret not in text


def test_what_json_has_no_word_for_is_written_too_and_nothing_unmasked_elsewhere(log, capsys):
    logger.bind(count=2**70, api_key="abc", where={(1, 2): "here"}).info("a file \udcff, +15550001234")
    [line] = log.lines
    assert line["message"] == r"a file \udcff, ***1234"
    assert line["extra"] == {"count": str(2**70), "api_key": "•••", "where": {"(1, 2)": "here"}}
    assert "Logging error" not in capsys.readouterr().err


def test_patterns_of_ones_own_are_masked():
    log = Log(masking=Masking(patterns=[r"ticket \d+"]))
    logger.info("ticket 42")
    logger.remove(log.sink)
    assert log.lines[0]["message"] == "•••"


def test_an_exception_has_its_trace_and_no_values_of_variables(log):
    password = "hunter2hunter2"
    try:
        raise ValueError("sk-abcdefghijklmnop1234 is wrong", len(password))
    except ValueError:
        logger.exception("it failed")
    [line] = log.lines
    assert line["exception"]["type"] == "ValueError"
    assert "test_logs.py" in line["exception"]["traceback"]
    assert "hunter2" not in log.stream.getvalue()
    assert "sk-abc" not in log.stream.getvalue()


async def test_what_a_call_starts_belongs_to_it(log):
    async def later() -> None:
        await asyncio.sleep(0)
        logger.info("a task")
        await asyncio.to_thread(logger.info, "a thread")

    carrier: list[str] = []
    with in_call("call-1", lambda: "".join(carrier)):
        task = asyncio.create_task(later())
        logger.info("at once")
    carrier.append("CA1")
    logger.info("outside")
    await task
    assert [(line["message"], line.get("call"), line.get("carrier_call")) for line in log.lines] == [
        ("at once", "call-1", None),
        ("outside", None, None),
        ("a task", "call-1", "CA1"),
        ("a thread", "call-1", "CA1"),
    ]


def test_the_thread_that_writes_a_recording_belongs_to_its_call(log):
    class FullDisk:
        def take(self, _event: Event) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None: ...

    with in_call("call-1"):
        writer = Writer(FullDisk(), lambda: None)
    writer.put(Fact(Moment(1, 0.0, 0), "note", b"{}"))
    writer.close()
    [line] = log.lines
    assert "not recorded any further" in line["message"]
    assert line["call"] == "call-1"


@pytest.mark.virtual_time
async def test_two_pipelines_at_once_log_under_their_own_names(log):
    async def call(name: str, url: str) -> None:
        transport = WavFileTransport([QUESTIONS[0]])
        llm = service(url, name=f"llm of {name}")
        with in_call(name):
            pipeline = Pipeline([transport.input(), llm, transport.output()])
            await run(pipeline, handle_signals=False)

    async with tone_server() as server:
        await asyncio.gather(call("one", server.url), call("two", server.url))
    for name, other in (("one", "two"), ("two", "one")):
        own = [line for line in log.lines if f"llm of {name}" in line["message"]]
        assert own
        assert {line.get("call") for line in own} == {name}
        assert not [
            line for line in log.lines if f"llm of {other}" in line["message"] and line["call"] == name
        ]


@pytest.mark.virtual_time
async def test_calls_of_a_phone_log_under_their_ids(log):
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with (
            phone.serving(agent, port=0) as door,
            await far.call(door.local_url) as first,
            await far.call(door.local_url) as second,
        ):
            for call in (first, second):
                await call.say(spoken("hello"))
                await call.until_answered()
            ids = {call.id: call.carrier_call_id for call in phone.calls}
    assert len(ids) == 2
    of_calls = [line for line in log.lines if line.get("call") in ids]
    for line in of_calls:
        assert line["carrier_call"] == ids[line["call"]]
        assert not [other for other in ids if other != line["call"] and other in line["message"]]
    for call_id in ids:
        said = [line["message"] for line in of_calls if line["call"] == call_id]
        assert f"call {call_id}: from ***1111" in said
        assert any(message.startswith(f"call {call_id}: over") for message in said)
        assert any("session" in message and "is ready" in message for message in said)
    about = [line for line in log.lines if any(f"call {call_id}" in line["message"] for call_id in ids)]
    assert all("call" in line for line in about)
