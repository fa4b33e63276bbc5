"""The engines of S000 and the adapters of S001: their names, their classes, the bots that they make."""

from __future__ import annotations

import inspect

import pytest

from tests.phone.engine_sessions import BRIEF, on_the_wire, service_of
from tests.support.phones import CARRIERS, FakeCarrier
from voicepipe.errors import SettingsError
from voicepipe.phone import ElevenLabsConvAI, Engine, OpenAIRealtime, OpenAIRealtime2, Phone, Twilio
from voicepipe.phone.engines import elevenlabs, openai, openai_realtime_2
from voicepipe.phone.engines.engine import Brief
from voicepipe.phone.providers.openai_realtime import (
    OpenAIRealtime2Adapter,
    OpenAIRealtimeAdapter,
    OpenAIRealtimeModel,
    OpenAITranscriptionModel,
)

pytestmark = pytest.mark.usefixtures("keys_in_environment")


def test_s000_2_there_are_three_engines():
    assert all(isinstance(make(), Engine) for make in (OpenAIRealtime, OpenAIRealtime2, ElevenLabsConvAI))


def test_s000_6_and_7_flat_and_namespaced_names_are_the_same_classes():
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
def test_s000_32_43_50_the_namespaced_forms_run(make, kwargs):
    engine = make(**kwargs)
    assert engine.api_key in ("sk-env", "xi-env")


def test_s001_9_and_24_the_enums_are_texts():
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


def test_s000_1_an_engine_is_passed_as_it_is_and_hears_and_speaks_by_itself():
    engine = OpenAIRealtime(voice="coral")
    assert Phone(carrier=Twilio()).agent(engine=engine).engine is engine
    bot = engine.bot(BRIEF)
    assert [type(processor).__name__ for processor in [*bot.ears, *bot.mouth]] == [
        "AudioResampler",
        "OpenAIRealtimeLLMService",
    ]


def test_s000_3_and_4_two_classes_speak_the_one_wire_that_the_api_has():
    assert type(OpenAIRealtime()) is not type(OpenAIRealtime2())
    first, second = on_the_wire(OpenAIRealtime()), on_the_wire(OpenAIRealtime2())
    assert first["type"] == second["type"] == "realtime"
    assert first.keys() == second.keys()


def test_s000_5_the_third_is_elevenlabs():
    assert type(service_of(ElevenLabsConvAI())).__name__ == "ElevenLabsConvAIService"


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_s000_19_the_carriers_named_have_streams_and_plivo_too(carrier):
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=OpenAIRealtime()), port=0) as door:
            _, stream = await far.ring(door.local_url)
    assert f"/{carrier}/media/" in stream.url


def test_s001_25_the_constructor():
    names = list(inspect.signature(OpenAIRealtimeAdapter).parameters)[:6]
    assert names == [
        "api_key",
        "model",
        "voice",
        "instructions",
        "input_audio_transcription_model",
        "reasoning_effort",
    ]


def test_s001_28_the_agents_prompt_wins_and_the_adapters_is_used_without_one():
    adapter = OpenAIRealtimeAdapter(instructions="Be brief.")
    assert on_the_wire(adapter)["instructions"] == "Be brief."
    assert on_the_wire(adapter, Brief("Be kind.", "", ()))["instructions"] == "Be kind."


def test_s000_37_the_second_adapter_thinks():
    assert OpenAIRealtime2Adapter().model == "gpt-realtime-2"


def test_s000_10_the_constructor_is_the_documents():
    phone = Phone(carrier=Twilio(), phone_number="+15550001234")
    assert phone.phone_number == "+15550001234"
    with pytest.raises(SettingsError, match="carrier"):
        Phone(phone_number="+15550001234")
    with pytest.raises(SettingsError, match="phone_number"):
        Phone(carrier=Twilio(), phone_number="0555")


def test_s000_8_without_any_engine_there_is_one_all_the_same():
    agent = Phone(carrier=Twilio()).agent(system_prompt="Be kind.")
    assert agent.engine == OpenAIRealtime()
