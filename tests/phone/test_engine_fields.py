"""The fields of engines and adapters (S000, S001): defaults, what each is on the wire, what is refused."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import ValidationError

from tests.phone.engine_sessions import on_the_wire, service_of
from voicepipe.errors import SettingsError
from voicepipe.phone import ElevenLabsConvAI, OpenAIRealtime, OpenAIRealtime2
from voicepipe.phone.providers.openai_realtime import (
    OpenAIRealtime2Adapter,
    OpenAIRealtimeAdapter,
    OpenAIRealtimeModel,
    OpenAITranscriptionModel,
)

pytestmark = pytest.mark.usefixtures("keys_in_environment")


def test_s000_20_to_25_and_s001_31_the_defaults():
    engine = OpenAIRealtime()
    assert (engine.api_key, engine.voice, engine.model) == ("sk-env", "alloy", "gpt-realtime-mini")
    assert engine.reasoning_effort is None
    session = on_the_wire(engine)
    assert session["audio"]["input"]["transcription"] == {"model": "whisper-1"}
    assert "reasoning" not in session


def test_s000_38_to_42_the_defaults_of_the_second():
    engine = OpenAIRealtime2()
    assert (engine.api_key, engine.voice, engine.model) == ("sk-env", "alloy", "gpt-realtime-2")
    assert (engine.reasoning_effort, engine.input_audio_transcription_model) == (None, None)


def test_s000_46_to_48_the_defaults_of_elevenlabs():
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
def test_s000_20_s001_26_a_missing_key_is_a_value_error_that_names_the_variable(make, variable, monkeypatch):
    monkeypatch.delenv(variable)
    with pytest.raises(ValueError, match=variable):
        make()


@pytest.mark.parametrize(
    "voice",
    ["alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse"],
)
def test_s000_21_all_voices_of_the_document_speak(voice):
    from voicepipe.services.openai.realtime.models import BUILT_IN_VOICES

    spoken_with = on_the_wire(OpenAIRealtime(voice=voice))["audio"]["output"]["voice"]
    assert spoken_with in BUILT_IN_VOICES
    assert spoken_with == voice or voice in ("fable", "nova", "onyx")


def test_s000_21_strictly_a_voice_that_is_none_is_refused():
    with pytest.raises(SettingsError, match="voice"):
        OpenAIRealtime(voice="nova", strict=True)


@pytest.mark.parametrize("model", list(OpenAIRealtimeModel))
def test_s000_22_and_26_to_30_all_models_are_taken(model):
    service = service_of(OpenAIRealtime(model=model))
    assert service._settings.model == str(model)


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high"])
def test_s000_23_and_s001_12_to_17_the_effort_is_sent_when_set(effort):
    for make in (OpenAIRealtime2, OpenAIRealtime2Adapter):
        assert on_the_wire(make(reasoning_effort=effort))["reasoning"] == {"effort": effort}
    with pytest.raises(ValidationError):
        OpenAIRealtime2(reasoning_effort="ultra")


def test_s000_24_and_s001_18_the_effort_is_left_out_where_a_model_does_not_think():
    assert "reasoning" not in on_the_wire(OpenAIRealtime(reasoning_effort="low"))


@pytest.mark.parametrize("model", list(OpenAITranscriptionModel))
def test_s001_19_to_23_the_transcription_model_is_sent(model):
    for make in (OpenAIRealtime, OpenAIRealtime2, OpenAIRealtimeAdapter):
        session = on_the_wire(make(input_audio_transcription_model=model))
        assert session["audio"]["input"]["transcription"]["model"] == str(model)


@pytest.mark.parametrize("model", ["gpt-realtime-translate", "gpt-realtime-translate-2026-05-01"])
def test_s001_10_and_11_a_model_that_translates_is_refused_by_name(model):
    for make in (OpenAIRealtime, OpenAIRealtime2, OpenAIRealtimeAdapter):
        with pytest.raises(ValueError, match="/v1/realtime/translations"):
            make(model=model)


def test_s001_32_what_was_constructed_before_still_is():
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


def test_s001_30_the_wrapper_has_all_fields_of_the_adapter_but_the_instructions():
    names = {field.name for field in fields(OpenAIRealtimeAdapter) if field.init}
    assert names - {field.name for field in fields(OpenAIRealtime)} == {"instructions"}


def test_no_key_is_in_a_repr():
    for engine in (OpenAIRealtime(), OpenAIRealtime2(), OpenAIRealtimeAdapter(), ElevenLabsConvAI()):
        assert "-env" not in repr(engine)


def test_further_fields_reach_the_wire():
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
