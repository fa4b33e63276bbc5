"""The rows of the documents S000 (engines) and S001 (OpenAI Realtime), by id; the snippets of both pages run."""

from __future__ import annotations

import asyncio
import inspect
import re
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pydantic import ValidationError

from tests.support.phones import CALLER, CARRIERS, SECRET, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import SettingsError
from voicepipe.frames import InterimTranscriptionFrame
from voicepipe.phone import ElevenLabsConvAI, Engine, OpenAIRealtime, OpenAIRealtime2, Phone, Twilio
from voicepipe.phone.engines import elevenlabs, openai, openai_realtime_2
from voicepipe.phone.engines.engine import Brief
from voicepipe.phone.providers.openai_realtime import (
    OpenAIRealtime2Adapter,
    OpenAIRealtimeAdapter,
    OpenAIRealtimeModel,
    OpenAITranscriptionModel,
)
from voicepipe.telemetry import DEFAULT_PRICING

BRIEF = Brief("", "", ())


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": SECRET,
        "OPENAI_API_KEY": "sk-env",
        "ELEVENLABS_API_KEY": "xi-env",
        "ELEVENLABS_AGENT_ID": "agent_env",
    }.items():
        monkeypatch.setenv(name, value)


def service_of(engine: Any, brief: Brief = BRIEF) -> Any:
    [service] = engine.bot(brief).mouth
    return service


def on_the_wire(engine: Any, brief: Brief = BRIEF) -> dict[str, Any]:
    """The first `session.update` of an engine's session."""
    import orjson

    from voicepipe.realtime.events import Send

    session = service_of(engine, brief).session
    opening = [*session.open(), *session.receive(b'{"type": "session.created", "session": {"id": "s"}}')]
    messages = [orjson.loads(output.message) for output in opening if isinstance(output, Send)]
    [update] = [message for message in messages if message["type"] == "session.update"]
    return update["session"]


class TestEngines:
    def test_s000_1_an_engine_is_passed_as_it_is_and_hears_and_speaks_by_itself(self):
        engine = OpenAIRealtime(voice="coral")
        assert Phone(carrier=Twilio()).agent(engine=engine).engine is engine
        bot = engine.bot(BRIEF)
        assert [type(processor).__name__ for processor in [*bot.ears, *bot.mouth]] == [
            "AudioResampler",
            "OpenAIRealtimeLLMService",
        ]

    def test_s000_3_and_4_two_classes_speak_the_one_wire_that_the_api_has(self):
        assert type(OpenAIRealtime()) is not type(OpenAIRealtime2())
        first, second = on_the_wire(OpenAIRealtime()), on_the_wire(OpenAIRealtime2())
        assert first["type"] == second["type"] == "realtime"
        assert first.keys() == second.keys()

    def test_s000_5_the_third_is_elevenlabs(self):
        assert type(service_of(ElevenLabsConvAI())).__name__ == "ElevenLabsConvAIService"

    @pytest.mark.virtual_time
    @pytest.mark.parametrize("carrier", CARRIERS)
    async def test_s000_19_the_carriers_named_have_streams_and_plivo_too(self, carrier):
        async with FakeCarrier(carrier) as far:
            phone = far.phone()
            async with phone.serving(phone.agent(engine=OpenAIRealtime()), port=0) as door:
                _, stream = await far.ring(door.local_url)
        assert f"/{carrier}/media/" in stream.url


class TestNames:
    def test_s000_2_there_are_three_engines(self):
        assert all(isinstance(make(), Engine) for make in (OpenAIRealtime, OpenAIRealtime2, ElevenLabsConvAI))

    def test_s000_6_and_7_flat_and_namespaced_names_are_the_same_classes(self):
        assert openai.Realtime is openai.OpenAIRealtime is OpenAIRealtime
        assert openai_realtime_2.Realtime2 is OpenAIRealtime2
        assert elevenlabs.ConvAI is ElevenLabsConvAI

    @pytest.mark.parametrize(
        ("make", "kwargs"),
        [
            (openai.Realtime, {}),  # S000-32
            (openai.Realtime, {"voice": "nova", "model": "gpt-realtime-2"}),
            (openai_realtime_2.Realtime2, {}),  # S000-43
            (openai_realtime_2.Realtime2, {"reasoning_effort": "low"}),
            (elevenlabs.ConvAI, {}),  # S000-50
            (elevenlabs.ConvAI, {"agent_id": "agent_abc123", "voice": "rachel"}),
        ],
    )
    def test_s000_32_43_50_the_namespaced_forms_run(self, make, kwargs):
        engine = make(**kwargs)
        assert engine.api_key in ("sk-env", "xi-env")

    def test_s001_9_and_24_the_enums_are_texts(self):
        assert OpenAIRealtimeModel.GPT_REALTIME_2 == "gpt-realtime-2"
        assert OpenAITranscriptionModel.GPT_REALTIME_WHISPER == "gpt-realtime-whisper"
        assert {str(model) for model in OpenAIRealtimeModel} == {
            "gpt-realtime-mini",
            "gpt-realtime",
            "gpt-realtime-2",
            "gpt-4o-realtime-preview",
            "gpt-4o-mini-realtime-preview",
        }
        assert {str(model) for model in OpenAITranscriptionModel} == {
            "whisper-1",
            "gpt-4o-transcribe",
            "gpt-4o-mini-transcribe",
            "gpt-realtime-whisper",
        }


class TestFields:
    def test_s000_20_to_25_and_s001_31_the_defaults(self):
        engine = OpenAIRealtime()
        assert (engine.api_key, engine.voice, engine.model) == ("sk-env", "alloy", "gpt-realtime-mini")
        assert engine.reasoning_effort is None
        session = on_the_wire(engine)
        assert session["audio"]["input"]["transcription"] == {"model": "whisper-1"}
        assert "reasoning" not in session

    def test_s000_38_to_42_the_defaults_of_the_second(self):
        engine = OpenAIRealtime2()
        assert (engine.api_key, engine.voice, engine.model) == ("sk-env", "alloy", "gpt-realtime-2")
        assert (engine.reasoning_effort, engine.input_audio_transcription_model) == (None, None)

    def test_s000_46_to_48_the_defaults_of_elevenlabs(self):
        engine = ElevenLabsConvAI()
        assert (engine.api_key, engine.agent_id, engine.voice) == ("xi-env", "agent_env", "")

    @pytest.mark.parametrize(
        ("make", "variable"),
        [
            (OpenAIRealtime, "OPENAI_API_KEY"),
            (OpenAIRealtime2, "OPENAI_API_KEY"),
            (OpenAIRealtimeAdapter, "OPENAI_API_KEY"),  # contradiction C3
            (ElevenLabsConvAI, "ELEVENLABS_API_KEY"),
            (ElevenLabsConvAI, "ELEVENLABS_AGENT_ID"),
        ],
    )
    def test_s000_20_s001_26_a_missing_key_is_a_value_error_that_names_the_variable(
        self, make, variable, monkeypatch
    ):
        monkeypatch.delenv(variable)
        with pytest.raises(ValueError, match=variable):
            make()

    @pytest.mark.parametrize(
        "voice",
        ["alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse"],
    )
    def test_s000_21_all_voices_of_the_document_speak(self, voice):
        from voicepipe.services.openai.realtime.models import BUILT_IN_VOICES

        spoken_with = on_the_wire(OpenAIRealtime(voice=voice))["audio"]["output"]["voice"]
        assert spoken_with in BUILT_IN_VOICES
        assert spoken_with == voice or voice in ("fable", "nova", "onyx")

    def test_s000_21_strictly_a_voice_that_is_none_is_refused(self):
        with pytest.raises(SettingsError, match="voice"):
            OpenAIRealtime(voice="nova", strict=True)

    @pytest.mark.parametrize("model", list(OpenAIRealtimeModel))
    def test_s000_22_and_26_to_30_all_models_are_taken(self, model):
        service = service_of(OpenAIRealtime(model=model))
        assert service._settings.model == str(model)

    @pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high"])
    def test_s000_23_and_s001_12_to_17_the_effort_is_sent_when_set(self, effort):
        for make in (OpenAIRealtime2, OpenAIRealtime2Adapter):
            assert on_the_wire(make(reasoning_effort=effort))["reasoning"] == {"effort": effort}
        with pytest.raises(ValidationError):
            OpenAIRealtime2(reasoning_effort="ultra")

    def test_s000_24_and_s001_18_the_effort_is_left_out_where_a_model_does_not_think(self):
        assert "reasoning" not in on_the_wire(OpenAIRealtime(reasoning_effort="low"))

    @pytest.mark.parametrize("model", list(OpenAITranscriptionModel))
    def test_s001_19_to_23_the_transcription_model_is_sent(self, model):
        for make in (OpenAIRealtime, OpenAIRealtime2, OpenAIRealtimeAdapter):
            session = on_the_wire(make(input_audio_transcription_model=model))
            assert session["audio"]["input"]["transcription"]["model"] == str(model)

    @pytest.mark.parametrize("model", ["gpt-realtime-translate", "gpt-realtime-translate-2026-05-01"])
    def test_s001_10_and_11_a_model_that_translates_is_refused_by_name(self, model):
        for make in (OpenAIRealtime, OpenAIRealtime2, OpenAIRealtimeAdapter):
            with pytest.raises(ValueError, match="/v1/realtime/translations"):
                make(model=model)

    def test_s001_32_what_was_constructed_before_still_is(self):
        assert OpenAIRealtime("sk-1", "coral", "gpt-realtime") == OpenAIRealtime(
            api_key="sk-1", voice="coral", model="gpt-realtime"
        )
        assert OpenAIRealtime2("sk-1", "coral").model == "gpt-realtime-2"
        assert ElevenLabsConvAI("xi-1", "agent_1", "rachel").voice == "rachel"
        adapter = OpenAIRealtimeAdapter("sk-1", "gpt-realtime", "coral", "Be brief.", "whisper-1", "low")
        assert (adapter.model, adapter.instructions, adapter.reasoning_effort) == (
            "gpt-realtime",
            "Be brief.",
            "low",
        )

    def test_s001_30_the_wrapper_has_all_fields_of_the_adapter_but_the_instructions(self):
        names = {field.name for field in fields(OpenAIRealtimeAdapter) if field.init}
        assert names - {field.name for field in fields(OpenAIRealtime)} == {"instructions"}

    def test_no_key_is_in_a_repr(self):
        for engine in (OpenAIRealtime(), OpenAIRealtime2(), OpenAIRealtimeAdapter(), ElevenLabsConvAI()):
            assert "-env" not in repr(engine)

    def test_further_fields_reach_the_wire(self):
        session = on_the_wire(
            OpenAIRealtime(
                transcription_language="de",
                noise_reduction="near_field",
                turn_detection={"type": "semantic_vad", "eagerness": "low"},
                gate_response_on_transcript=True,
            )
        )
        heard_with = session["audio"]["input"]
        assert heard_with["transcription"]["language"] == "de"
        assert heard_with["noise_reduction"] == {"type": "near_field"}
        assert heard_with["turn_detection"] == {
            "type": "semantic_vad",
            "eagerness": "low",
            "create_response": False,
        }


class TestWire:
    def test_s000_34_to_36_the_ga_shape(self):
        session = on_the_wire(OpenAIRealtime2())
        assert session["type"] == "realtime"
        assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
        assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
        assert "modalities" not in session

    @pytest.mark.virtual_time
    async def test_s000_33_no_beta_header_is_sent(self):
        # The local server refuses it, as the API does.
        async with tone_server() as server, FakeCarrier("twilio") as far:
            phone = far.phone()
            agent = phone.agent(engine=OpenAIRealtime(base_url=server.url), first_message="Hello!")
            async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
                await call.until_answered()
        assert heard(call.heard) == "Hello!"

    def test_s000_16_to_18_and_44_pcm_is_the_default_and_the_line_coding_an_option(self):
        assert on_the_wire(OpenAIRealtime())["audio"]["input"]["format"]["type"] == "audio/pcm"
        session = on_the_wire(OpenAIRealtime(audio="g711"))
        assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
        with pytest.raises(SettingsError, match="audio"):
            OpenAIRealtime(audio="opus")

    def test_s000_15_both_engines_have_the_same_service(self):
        assert type(service_of(OpenAIRealtime())) is type(service_of(OpenAIRealtime2()))

    @pytest.mark.virtual_time
    async def test_s001_19_the_transcript_comes_in_deltas(self):
        seen: list[str] = []

        class Observer(BaseObserver):
            async def on_push_frame(self, data: FramePushed) -> None:
                if isinstance(data.frame, InterimTranscriptionFrame) and data.frame.text not in seen:
                    seen.append(data.frame.text)

        async with tone_server() as server, FakeCarrier("twilio") as far:
            phone = far.phone(pipeline_observers=lambda call: [Observer()])
            model = OpenAITranscriptionModel.GPT_REALTIME_WHISPER
            engine = OpenAIRealtime(base_url=server.url, input_audio_transcription_model=model)
            async with (
                phone.serving(phone.agent(engine=engine), port=0) as door,
                await far.call(door.local_url) as call,
            ):
                await call.say(spoken("where did you stop"))
                await call.until_answered()
        assert len(seen) > 1
        assert "where did you stop".startswith(seen[0].strip())

    @pytest.mark.virtual_time
    async def test_s001_37_functions_are_called_inside_the_session(self):
        async def get_weather(city: str) -> dict[str, Any]:
            """The weather in a city."""
            return {"city": city, "temperature": 7, "conditions": "fog"}

        async with tone_server() as server, FakeCarrier("telnyx") as far:
            phone = far.phone()
            agent = phone.agent(engine=OpenAIRealtime(base_url=server.url), tools=[get_weather])
            async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
                await call.say(spoken("weather in oslo"))
                await call.until_answered()
        assert heard(call.heard) == "In Oslo it is 7 degrees and fog."


class TestAdapter:
    def test_s001_25_the_constructor(self):
        names = list(inspect.signature(OpenAIRealtimeAdapter).parameters)[:6]
        assert names == [
            "api_key",
            "model",
            "voice",
            "instructions",
            "input_audio_transcription_model",
            "reasoning_effort",
        ]

    def test_s001_28_the_agents_prompt_wins_and_the_adapters_is_used_without_one(self):
        adapter = OpenAIRealtimeAdapter(instructions="Be brief.")
        assert on_the_wire(adapter)["instructions"] == "Be brief."
        assert on_the_wire(adapter, Brief("Be kind.", "", ()))["instructions"] == "Be kind."

    def test_s000_37_the_second_adapter_thinks(self):
        assert OpenAIRealtime2Adapter().model == "gpt-realtime-2"


class TestPhone:
    def test_s000_10_the_constructor_is_the_documents(self):
        phone = Phone(carrier=Twilio(), phone_number="+15550001234")
        assert phone.phone_number == "+15550001234"
        with pytest.raises(SettingsError, match="carrier"):
            Phone(phone_number="+15550001234")
        with pytest.raises(SettingsError, match="phone_number"):
            Phone(carrier=Twilio(), phone_number="0555")

    def test_s000_8_without_any_engine_there_is_one_all_the_same(self):
        agent = Phone(carrier=Twilio()).agent(system_prompt="Be kind.")
        assert agent.engine == OpenAIRealtime()


ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md"]
_LINK = re.compile(r"\]\(([^)#:]+?)(?:#[^)]*)?\)")
_PROMISE = re.compile(
    r"(?i)\b(lowest|low|ultra[- ]?low|minimal|near[- ]zero)[- ]latency\b"
    r"|\b(sub-?|under |below |(?<!no )less than |typically |typical )\d+(\.\d+)? ?(ms|milliseconds?)\b"
    r"|\b(fastest|blazing\w*|real-time speed)\b"
)


class TestDocuments:
    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
    def test_s000_9_and_s001_2_no_page_promises_a_latency(self, page):
        promises = [line for line in page.read_text("utf-8").splitlines() if _PROMISE.search(line)]
        assert promises == []

    @pytest.mark.parametrize(
        "promise",
        [
            "the lowest-latency option",
            "sub-500 ms typical turn latency",
            "answers in under 300 ms",
            "the fastest",
        ],
    )
    def test_s000_9_and_s001_2_the_documents_own_would_be_found(self, promise):
        assert _PROMISE.search(promise)

    def test_s000_9_and_s001_2_what_the_readme_says_in_ms_is_measured_and_says_how(self):
        measured = (ROOT / "README.md").read_text("utf-8").partition("## Measured")[2].partition("\n## ")[0]
        assert "`make bench` reproduces it" in measured
        assert "ms |" in measured

    def test_s000_51_the_page_of_engines_leads_to_what_they_stand_on(self):
        links = _LINK.findall((ROOT / "docs" / "phone.md").read_text("utf-8"))
        engines = {"openai-realtime.md", "elevenlabs.md"}
        assert engines | {"telephony.md", "records.md", "local-server.md", "demo.md"} <= set(links)

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
    def test_s000_51_every_link_leads_somewhere(self, page):
        links = _LINK.findall(page.read_text("utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == []

    def test_s000_51_from_the_navigation_every_page_is_reached(self):
        written = (ROOT / ".mkdocs.yml").read_text("utf-8")
        pages = [page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")]
        assert [page for page in pages if f": {page}" not in written] == []


class TestMoney:
    def test_s001_33_and_36_each_model_has_its_prices(self):
        models = DEFAULT_PRICING["openai_realtime"].models
        assert models["gpt-realtime-2"]["audio_input_per_token"] == Decimal("0.000032")

    @pytest.mark.parametrize(
        ("model", "dollars"),
        [
            ("gpt-realtime-mini", (10, 20)),
            ("gpt-realtime", (32, 64)),
            ("gpt-realtime-2", (32, 64)),
            ("gpt-4o-realtime-preview", (100, 200)),
            ("gpt-4o-mini-realtime-preview", (10, 20)),
        ],
    )
    def test_s001_3_to_8_s000_31_the_prices_of_the_document(self, model, dollars):
        row = DEFAULT_PRICING["openai_realtime"]["models"][model]
        found = (row["audio_input_per_token"], row["audio_output_per_token"])
        assert tuple(price * 1_000_000 for price in found) == dollars

    def test_s001_34_the_old_way_of_naming_prices_still_runs(self):
        with pytest.warns(DeprecationWarning, match="not needed"):
            old = DEFAULT_PRICING["openai_realtime_2"]
        assert Phone(carrier=Twilio(), pricing={"openai_realtime": old})


SNIPPETS = {
    "S000 OpenAIRealtime": """
import asyncio
from voicepipe.phone import Phone, Twilio, OpenAIRealtime

phone = Phone(carrier=Twilio(), phone_number="+15550001234")   # TWILIO_* from env

agent = phone.agent(
    engine=OpenAIRealtime(voice="nova"),                        # OPENAI_API_KEY from env
    system_prompt="You are a helpful assistant.",
    first_message="Hello!",
)

async def main():
    await phone.serve(agent)

asyncio.run(main())
""",
    "S000 OpenAIRealtime2": """
import asyncio
from voicepipe.phone import Phone, Twilio, OpenAIRealtime2

phone = Phone(carrier=Twilio(), phone_number="+15550001234")   # TWILIO_* from env

agent = phone.agent(
    engine=OpenAIRealtime2(reasoning_effort="low"),             # OPENAI_API_KEY from env
    system_prompt="You are a friendly receptionist.",
    first_message="Hello! How can I help?",
)

async def main():
    await phone.serve(agent)

asyncio.run(main())
""",
    "S001 worked example": """
import asyncio

from voicepipe.phone import Phone, Twilio
from voicepipe.phone.providers.openai_realtime import (
    OpenAIRealtimeAdapter,
    OpenAIRealtimeModel,
    OpenAITranscriptionModel,
)

phone = Phone(carrier=Twilio(), phone_number="+15555550100")  # TWILIO_* from env

adapter = OpenAIRealtimeAdapter(
    api_key="",                                            # reads OPENAI_API_KEY
    model=OpenAIRealtimeModel.GPT_REALTIME_2,
    voice="nova",
    instructions="You are a helpful, concise voice assistant.",
    input_audio_transcription_model=OpenAITranscriptionModel.GPT_REALTIME_WHISPER,
    reasoning_effort="low",                                # OpenAI's recommended production tier
)

agent = phone.agent(
    engine=adapter,                                        # adapter passed as engine
    system_prompt="You are a helpful assistant.",
    first_message="Hi, how can I help today?",
)

async def main() -> None:
    await phone.serve(agent)

asyncio.run(main())
""",
    "S000 ElevenLabsConvAI": """
import asyncio
from voicepipe.phone import Phone, Twilio, ElevenLabsConvAI

phone = Phone(carrier=Twilio(), phone_number="+15550001234")   # TWILIO_* from env

agent = phone.agent(
    engine=ElevenLabsConvAI(agent_id="agent_abc123"),           # ELEVENLABS_API_KEY from env
    system_prompt="You are a warm and friendly concierge.",
)

async def main():
    await phone.serve(agent)

asyncio.run(main())
""",
}


def started(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], asyncio.Task[None]]:
    """Run a snippet as far as its last line, which goes on as a task of this loop."""
    mains: list[Any] = []
    monkeypatch.setattr(asyncio, "run", mains.append)
    monkeypatch.setenv("PORT", "0")
    names: dict[str, Any] = {}
    exec(compile(SNIPPETS[name], name, "exec"), names)
    [main] = mains
    return names, asyncio.create_task(main)


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", [name for name in SNIPPETS if "ElevenLabs" not in name])
async def test_s000_10_to_14_and_s001_25_to_29_the_snippets_answer_calls(name, monkeypatch):
    async with tone_server() as server, FakeCarrier("twilio") as far:
        monkeypatch.setenv("OPENAI_REALTIME_URL", server.url)
        names, serving = started(name, monkeypatch)
        door = await names["phone"].until_serving()
        async with await far.call(door.local_url) as call:
            await call.until_answered()
            await call.say(spoken("hello"))
            await call.until_answered()
            [running] = names["phone"].calls
            assert running.caller == CALLER
        await running.result()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert heard(call.heard) == names["agent"].first_message + " Hello! How can I help you?"


@pytest.mark.virtual_time
async def test_s000_45_to_49_the_snippet_of_elevenlabs_answers_calls(monkeypatch):
    from voicepipe.local.brain.script import Script, ScriptBrain
    from voicepipe.local.elevenlabs.agent import Agent
    from voicepipe.local.elevenlabs.server import LocalElevenLabsServer
    from voicepipe.local.speech.engines import speech_engine

    local = Agent("agent_abc123", first_message="Hello from there!", allows=["agent.prompt.prompt"])
    brain, speech = ScriptBrain(Script.default()), speech_engine("tones")
    async with (
        LocalElevenLabsServer([local], speech=speech, brain=brain) as server,
        FakeCarrier("twilio") as far,
    ):
        monkeypatch.setenv("ELEVENLABS_CONVAI_URL", server.url)
        names, serving = started("S000 ElevenLabsConvAI", monkeypatch)
        door = await names["phone"].until_serving()
        async with await far.call(door.local_url) as call:
            await call.until_answered()
            await call.say(spoken("hello"))
            await call.until_answered()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert heard(call.heard) == "Hello from there! Hello! How can I help you?"


@pytest.mark.virtual_time
async def test_s000_48_and_49_prompt_first_message_voice_and_tools_reach_elevenlabs():
    from voicepipe.local.brain.script import Script, ScriptBrain
    from voicepipe.local.elevenlabs.agent import Agent
    from voicepipe.local.elevenlabs.server import LocalElevenLabsServer
    from voicepipe.local.speech.engines import speech_engine

    events: list[tuple[str, dict[str, Any]]] = []
    allows = ["agent.prompt.prompt", "agent.first_message", "tts.voice_id"]
    brain, speech = ScriptBrain(Script.default()), speech_engine("tones")
    server = LocalElevenLabsServer(
        [Agent("agent_1", allows=allows), Agent("agent_2", first_message="Hi!")],
        speech=speech,
        brain=brain,
        on_event=lambda way, event: events.append((way, dict(event))),
    )
    async with server, FakeCarrier("plivo") as far:
        phone = far.phone()
        engine = ElevenLabsConvAI(agent_id="agent_1", voice="rachel", base_url=server.url)
        agent = phone.agent(engine=engine, system_prompt="Be kind.", first_message="Good day!")
        plain = phone.agent(engine=ElevenLabsConvAI(agent_id="agent_2", base_url=server.url))
        agents = [plain, agent]
        async with phone.serving(lambda caller: agents.pop(), port=0) as door:
            heard_words: list[str] = []
            for _ in range(2):
                async with await far.call(door.local_url) as call:
                    await call.until_answered()
                heard_words.append(heard(call.heard))
    assert heard_words == ["Good day!", "Hi!"]
    first, second = [e for way, e in events if e.get("type") == "conversation_initiation_client_data"]
    override = first["conversation_config_override"]
    assert override["agent"]["prompt"]["prompt"] == "Be kind."
    assert override["tts"] == {"voice_id": "rachel"}
    assert not second.get("conversation_config_override")
