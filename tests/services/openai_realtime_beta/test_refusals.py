"""P-17: a server that does not speak the beta wire any more, in each of the forms in which it says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from loguru import logger
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.services.openai.realtime.wire_lines import created, error, response_created, updated
from tests.support.pipelines import Running, running
from tests.support.scripted_server import ScriptedServer
from tests.support.tones import heard_in, spoken, tone_server
from voicepipe.audio.resampler import AudioResampler
from voicepipe.errors import ConnectionRefused
from voicepipe.frames import CancelFrame, ErrorFrame, LLMFullResponseStartFrame, LLMUpdateSettingsFrame
from voicepipe.pipeline import Pipeline, run
from voicepipe.realtime.connection import Closed
from voicepipe.realtime.events import Failure
from voicepipe.realtime.link import Reconnect
from voicepipe.services.openai_realtime_beta import (
    OpenAIRealtimeBetaLLMService,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai_realtime_beta.refusals import (
    refuses_beta,
    refuses_beta_when_closing,
    refuses_beta_with_status,
)
from voicepipe.transports.wav_file import WavFileTransport

SHUT = "beta_api_shape_disabled"
BRIEF = SessionProperties(
    instructions="answer: Blue.",
    voice="alloy",
    temperature=0.7,
    turn_detection=TurnDetection(silence_duration_ms=400),
    output_audio_format="g711_ulaw",
)
IN_GA_WORDS = {
    "type": "realtime",
    "instructions": "answer: Blue.",
    "audio": {
        "input": {
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 400,
            }
        },
        "output": {"voice": "alloy", "format": {"type": "audio/pcmu"}},
    },
}


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    told: list[str] = []
    sink = logger.add(lambda line: told.append(line.record["message"]), level="WARNING", format="{message}")
    yield told
    logger.remove(sink)


def service(url: str, **given) -> OpenAIRealtimeBetaLLMService:
    return OpenAIRealtimeBetaLLMService(**{"api_key": "k", "base_url": url, **given})


async def refuse_by_event(server: ScriptedServer) -> None:
    await server.say(error(SHUT, message="The Realtime Beta API is no longer supported."))
    await server.hang_up(4000, f"invalid_request_error.{SHUT}")


async def refuse_by_event_alone(server: ScriptedServer) -> None:
    await server.say(error(SHUT, message="The Realtime Beta API is no longer supported."))


async def refuse_by_close(server: ScriptedServer) -> None:
    await server.next_connection()
    await server.hang_up(4000)


async def refuse_the_model(server: ScriptedServer) -> None:
    await server.say(error("invalid_model", message="Model is not supported."))
    await server.hang_up(4000)


async def refuse_the_first_settings(server: ScriptedServer) -> None:
    await server.say(created())
    update = await server.expect("session.update")
    assert "type" not in update["session"]
    fields = {"message": "Missing required parameter: 'session.type'.", "param": "session.type"}
    await server.say(error("missing_required_parameter", update["event_id"], **fields))


FORMS = [
    refuse_by_event,
    refuse_by_event_alone,
    refuse_by_close,
    refuse_the_model,
    refuse_the_first_settings,
]


async def goes_on_over_ga(server: ScriptedServer, bot: Running) -> None:
    """The second connection speaks GA, with the settings translated, and the conversation runs."""
    await server.next_connection()
    assert "openai-beta" not in {name.lower() for name in server.headers}
    assert server.path.endswith("?model=gpt-realtime")
    await server.say(created())
    assert (await server.expect("session.update"))["session"] == IN_GA_WORDS
    await server.say(updated(), response_created())
    await bot.down.wait_for(LLMFullResponseStartFrame)
    assert not bot.up.of(ErrorFrame)


class TestAuto:
    @pytest.mark.parametrize("refuse", FORMS)
    @pytest.mark.parametrize("reconnect", [None, Reconnect(tries=0)], ids=["reconnects", "never reconnects"])
    async def test_p17_each_form_is_recognised_and_the_call_goes_on_over_ga_with_one_warning(
        self, refuse, reconnect, warnings
    ):
        ended: list[str] = []
        async with ScriptedServer() as server:
            llm = service(server.url, session_properties=BRIEF, reconnect=reconnect)

            @llm.event_handler("on_disconnected")
            async def on_disconnected(_llm, reason: str) -> None:
                ended.append(reason)

            async with running(llm) as bot:
                assert llm.wire == "beta"
                await refuse(server)
                await goes_on_over_ga(server, bot)
                assert llm.wire == "ga"
        [told] = [line for line in warnings if "beta" in line]
        for part in ('wire="ga"', "OpenAIRealtimeLLMService", "temperature is left out", "gpt-realtime"):
            assert part in told
        assert not ended

    @pytest.mark.parametrize("status", [400, 403, 404, 410, 426])
    async def test_p17_an_http_refusal_is_recognised(self, status, warnings):
        asked: list[str] = []

        def admit(connection: ServerConnection, request: Request) -> Response | None:
            asked.append(request.headers.get("OpenAI-Beta", ""))
            return connection.respond(HTTPStatus(status), "No.\n") if asked[-1] else None

        async with (
            ScriptedServer(admit) as server,
            running(service(server.url, session_properties=BRIEF)) as bot,
        ):
            await goes_on_over_ga(server, bot)
        assert asked == ["realtime=v1", ""]
        assert len([line for line in warnings if f"HTTP status {status}" in line]) == 1

    async def test_a_wrong_key_is_no_refusal_of_the_wire(self):
        def admit(connection: ServerConnection, _request: Request) -> Response:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "No.\n")

        async with ScriptedServer(admit) as server:
            llm = service(server.url)
            async with running(llm) as bot:
                [problem] = await bot.up.wait_for(ErrorFrame)
        assert "401" in problem.error
        assert llm.wire == "beta"

    @pytest.mark.virtual_time
    async def test_p17_the_caller_hears_the_answer_from_the_local_server_that_shut_the_beta_down(
        self, tmp_path: Path, warnings
    ):
        transport = WavFileTransport(spoken("hello"), answer_path=tmp_path / "answer.wav")
        async with tone_server() as server:
            llm = service(server.url, session_properties=SessionProperties(voice="alloy"))
            await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
        assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"
        assert len(warnings) == 1

    async def test_in_mid_call_a_server_that_shuts_the_beta_down_is_followed_to_ga(self, warnings):
        async with ScriptedServer() as server:
            llm = service(server.url, session_properties=BRIEF)
            async with running(llm) as bot:
                await server.say(created(), updated())
                await server.expect("session.update")
                await server.hang_up(1001, "restart")
                await refuse_by_event(await _next(server))
                await goes_on_over_ga(server, bot)
        assert len([line for line in warnings if "beta wire" in line]) == 1

    async def test_a_call_that_ends_while_it_changes_over_leaves_nothing_behind(self):
        asked = asyncio.Event()
        hangs = asyncio.Event()

        async def admit(_connection: ServerConnection, request: Request) -> None:
            if "OpenAI-Beta" not in request.headers:
                asked.set()
                await hangs.wait()

        async with ScriptedServer(admit) as server:
            async with running(service(server.url)) as bot:
                await refuse_by_event(server)
                async with asyncio.timeout(5):
                    await asked.wait()
                await bot.worker.queue_frame(CancelFrame())
                async with asyncio.timeout(5):
                    await bot.ended
            hangs.set()

    async def test_settings_stay_in_the_betas_words_both_ways(self):
        applied: list[dict] = []
        async with ScriptedServer() as server:
            llm = service(server.url, session_properties=BRIEF)

            @llm.event_handler("on_settings_applied")
            async def on_applied(_llm, settings: dict) -> None:
                applied.append(settings)

            async with running(llm) as bot:
                await refuse_by_event(server)
                await goes_on_over_ga(server, bot)
                change = {"turn_detection": {"silence_duration_ms": 900}, "max_response_output_tokens": 9}
                await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings=change))
                update = (await server.expect("session.update"))["session"]
                assert update["max_output_tokens"] == 9
                assert update["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 900
                await bot.worker.queue_frame(
                    LLMUpdateSettingsFrame(settings={"output_audio_format": "pcm16"})
                )
                [problem] = await bot.up.wait_for(ErrorFrame)
                assert llm.session_properties.turn_detection == TurnDetection(silence_duration_ms=900)
                assert llm.session_properties.temperature is None
                session = {"type": "realtime", "output_modalities": ["audio"], "max_output_tokens": 9}
                await server.say(updated().replace(b'"type": "realtime"', _inner(session)))
                await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"instructions": "Bye."}))
                await server.expect("session.update")
        assert problem.error.startswith("output_audio_format: cannot change")
        assert applied[-1] == {
            "id": "sess_1",
            "modalities": ["audio", "text"],
            "max_response_output_tokens": 9,
        }


async def _next(server: ScriptedServer) -> ScriptedServer:
    await server.next_connection()
    return server


def _inner(fields: dict) -> bytes:
    return json.dumps(fields)[1:-1].encode()


class TestPinned:
    @pytest.mark.parametrize("refuse", [refuse_by_event, refuse_by_event_alone, refuse_by_close])
    async def test_p17_the_beta_alone_ends_with_one_clear_error(self, refuse):
        async with ScriptedServer() as server:
            llm = service(server.url, wire="beta")
            async with running(llm) as bot:
                await refuse(server)
                problems = await bot.up.wait_for(ErrorFrame)
            assert llm.wire == "beta"
        [problem] = problems
        assert 'wire="auto"' in problem.error
        assert "OpenAIRealtimeLLMService" in problem.error

    async def test_p17_an_http_refusal_says_the_way_out(self):
        def admit(connection: ServerConnection, _request: Request) -> Response:
            return connection.respond(HTTPStatus.NOT_FOUND, "No.\n")

        async with ScriptedServer(admit) as server, running(service(server.url, wire="beta")) as bot:
            [problem] = await bot.up.wait_for(ErrorFrame)
        assert "HTTP status 404" in problem.error
        assert 'wire="auto"' in problem.error

    async def test_ga_is_spoken_from_the_beginning(self, warnings):
        async with (
            ScriptedServer() as server,
            running(service(server.url, wire="ga", session_properties=BRIEF)) as bot,
        ):
            await goes_on_over_ga(server, bot)
        assert [line.split(":")[0] for line in warnings] == ["temperature"]

    async def test_the_model_of_the_ga_wire_can_be_named(self):
        llm = service("ws://127.0.0.1:9/v1", wire="ga", ga_model="gpt-realtime-2.1")
        assert (await llm.endpoint()).url.endswith("?model=gpt-realtime-2.1")


@pytest.mark.parametrize(
    ("failure", "ready", "is_one"),
    [
        (Failure("protocol", "", SHUT), True, True),
        (Failure("model", "", "invalid_model"), False, True),
        (Failure("model", "", "invalid_model"), True, False),
        (Failure("settings", "", "missing_required_parameter", field="session.type"), False, True),
        (Failure("authentication", "", "invalid_api_key"), False, False),
        (Failure("settings", "", "invalid_value", field="session.voice"), False, False),
    ],
)
def test_which_failures_refuse_the_wire(failure, ready, is_one):
    assert refuses_beta(failure, is_ready=ready) == is_one


def test_which_ends_and_statuses_refuse_the_wire():
    assert refuses_beta_when_closing(Closed(4000, ""), is_ready=False)
    assert refuses_beta_when_closing(Closed(4000, f"invalid_request_error.{SHUT}"), is_ready=True)
    assert not refuses_beta_when_closing(Closed(4000, ""), is_ready=True)
    assert not refuses_beta_when_closing(Closed(1006, ""), is_ready=False)
    assert not any(map(refuses_beta_with_status, (None, 401, 402, 407, 408, 429, 500, 503, 302)))
    assert ConnectionRefused("no").status is None
