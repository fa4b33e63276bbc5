"""Which model takes what, and what becomes of a setting that one cannot take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loguru import logger

from voicepipe.errors import SettingsError
from voicepipe.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    CustomVoice,
    InputAudioNoiseReduction,
    InputAudioTranscription,
    Reasoning,
    SemanticTurnDetection,
    SessionProperties,
)
from voicepipe.services.openai.realtime.models import (
    BUILT_IN_VOICES,
    capabilities_of,
    refuse_what_does_not_converse,
    settings_for,
    transcription_capabilities_of,
)
from voicepipe.services.openai.realtime.wire import session_in_wire_shape


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    told: list[str] = []
    sink = logger.add(
        lambda message: told.append(message.record["message"]), level="WARNING", format="{message}"
    )
    yield told
    logger.remove(sink)


def transcription(**options) -> SessionProperties:
    setting = InputAudioTranscription(**options)
    return SessionProperties(audio=AudioConfiguration(input=AudioInput(transcription=setting)))


def change_of_transcription(**options) -> dict:
    return {"audio": {"input": {"transcription": options}}}


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("gpt-realtime-2.1", True),
        ("gpt-realtime-2.1-mini", True),
        ("gpt-realtime-2", True),
        ("gpt-realtime-1.5", False),
        ("gpt-realtime", False),
        ("gpt-realtime-2025-08-28", False),
        ("gpt-realtime-mini-2025-12-15", False),
        ("gpt-4o-realtime-preview", False),
        ("gpt-4o-mini-realtime-preview-2024-12-17", False),
        ("gpt-audio-1.5", False),
        ("gpt-audio-mini", False),
    ],
)
def test_the_table_knows_the_families(model, thinks):
    found = capabilities_of(model)
    assert found is not None
    assert (found.reasoning, found.parallel_tool_calls) == (thinks, thinks)
    assert found.max_output_tokens == (32_000 if thinks else 4_096)
    assert {"alloy", "marin", "cedar"} < found.voices
    assert "audio/pcm" in found.formats


@pytest.mark.parametrize("model", ["gpt-realtime-3", "my-deployment", "", "gpt-realtime-2x"])
def test_of_other_models_nothing_is_known(model):
    assert capabilities_of(model) is None


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("whisper-1", {"prompt"}),
        ("gpt-4o-transcribe", {"prompt"}),
        ("gpt-4o-mini-transcribe-2025-12-15", {"prompt"}),
        ("gpt-4o-transcribe-diarize", set()),
        ("gpt-transcribe", {"prompt", "keywords", "languages"}),
        ("gpt-live-transcribe", {"prompt", "keywords", "languages"}),
        ("gpt-realtime-whisper", {"delay"}),
    ],
)
def test_the_table_knows_the_transcription_models(model, takes):
    found = transcription_capabilities_of(model)
    assert {name for name in ("prompt", "keywords", "languages", "delay") if getattr(found, name)} == takes


class TestWhatAModelCannotTake:
    THINKS = SessionProperties(
        reasoning=Reasoning(effort="low"), parallel_tool_calls=False, instructions="Hi."
    )

    def test_it_is_left_out_and_told_once_a_service(self, warnings):
        told: set[str] = set()
        for _ in range(2):
            assert settings_for("gpt-realtime", self.THINKS, told=told) == {"instructions": "Hi."}
        assert [line.split(":")[0] for line in warnings] == ["reasoning", "parallel_tool_calls"]
        assert warnings[0] == (
            "reasoning: gpt-realtime does not think; the gpt-realtime-2 family does; it is left out"
        )
        settings_for("gpt-realtime", self.THINKS, told=set())
        assert len(warnings) == 4

    def test_under_strict_it_is_an_error_that_names_the_field(self, warnings):
        with pytest.raises(SettingsError, match="gpt-realtime does not think") as caught:
            settings_for("gpt-realtime", self.THINKS, strict=True)
        assert caught.value.field == "reasoning"
        assert not warnings

    @pytest.mark.parametrize("model", ["gpt-realtime-2.1", "gpt-realtime-9", None])
    def test_a_model_that_can_or_is_not_known_gets_all(self, model, warnings):
        wire = session_in_wire_shape(SessionProperties(**settings_for(model, self.THINKS, strict=True)))
        assert wire == session_in_wire_shape(self.THINKS)
        assert not warnings

    def test_a_voice_that_is_not_known_is_let_through_with_a_warning(self, warnings):
        properties = SessionProperties(audio=AudioConfiguration(output=AudioOutput(voice="aria")))
        assert settings_for("gpt-realtime", properties)["audio"]["output"]["voice"] == "aria"
        assert len(warnings) == 1
        assert warnings[0].startswith(
            "audio.output.voice: 'aria' is none of the voices known for gpt-realtime"
        )
        assert "left out" not in warnings[0]
        with pytest.raises(SettingsError) as caught:
            settings_for("gpt-realtime", properties, strict=True)
        assert caught.value.field == "audio.output.voice"

    @pytest.mark.parametrize("voice", [*sorted(BUILT_IN_VOICES), CustomVoice(id="voice_1")])
    def test_known_and_custom_voices_pass(self, voice, warnings):
        settings_for("gpt-realtime", {"audio": {"output": {"voice": voice}}}, strict=True)
        assert not warnings

    def test_noise_reduction_and_turn_detection_are_never_touched(self):
        audio = AudioInput(
            noise_reduction=InputAudioNoiseReduction(type="near_field"),
            turn_detection=SemanticTurnDetection(),
        )
        properties = SessionProperties(audio=AudioConfiguration(input=audio))
        result = settings_for("gpt-4o-realtime-preview", properties, strict=True)
        assert SessionProperties(**result) == properties

    @pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-2.1", "gpt-realtime-9", None])
    def test_c24_no_model_has_a_temperature(self, model, warnings):
        assert settings_for(model, {"temperature": 0.7, "instructions": "Hi."}) == {"instructions": "Hi."}
        assert len(warnings) == 1
        with pytest.raises(SettingsError, match="temperature: the GA API has none"):
            settings_for(model, {"temperature": 0.7}, strict=True)

    def test_nothing_given_is_nothing_to_leave_out(self, warnings):
        assert settings_for("gpt-realtime", {"temperature": None, "reasoning": None}, strict=True) == {
            "reasoning": None
        }
        assert not warnings

    @pytest.mark.parametrize(
        "wrong", [{"audio": "loud"}, {"audio": {"output": None}}, {"audio": {"input": []}}]
    )
    def test_other_faults_are_left_for_the_check_of_the_whole(self, wrong):
        assert settings_for("gpt-realtime", wrong) == wrong


class TestTranscription:
    def test_an_option_that_the_transcription_model_refuses_is_left_out(self, warnings):
        given = transcription(model="gpt-realtime-whisper", prompt="fog", delay="low")
        [result] = settings_for("gpt-realtime", given)["audio"]["input"].values()
        assert result == {"model": "gpt-realtime-whisper", "delay": "low"}
        assert warnings == [
            "audio.input.transcription.prompt: gpt-realtime-whisper does not take it; it is left out"
        ]

    def test_the_default_model_counts_where_none_is_named(self):
        with pytest.raises(SettingsError, match=r"transcription\.keywords: gpt-4o-transcribe"):
            settings_for("gpt-realtime", change_of_transcription(keywords=["fog"]), strict=True)

    def test_a_change_is_judged_by_the_model_in_force(self):
        current = transcription(model="gpt-realtime-whisper")
        change = change_of_transcription(prompt="fog")
        assert settings_for("gpt-realtime", change, current=current) == change_of_transcription()
        assert settings_for("gpt-realtime", change, current=transcription(model="whisper-1")) == change

    def test_a_new_model_sheds_the_options_of_the_old_one(self, warnings):
        current = transcription(model="whisper-1", prompt="fog")
        change = change_of_transcription(model="gpt-realtime-whisper", delay="high")
        assert settings_for("gpt-realtime", change, current=current) == change_of_transcription(
            model="gpt-realtime-whisper", delay="high", prompt=None
        )
        assert len(warnings) == 1

    @pytest.mark.parametrize(("model", "name"), [("gpt-realtime", "whisper-9"), (None, "whisper-1")])
    def test_of_unknown_ones_and_of_deployments_nothing_is_left_out(self, model, name):
        change = change_of_transcription(model=name, keywords=["fog"])
        assert settings_for(model, change, strict=True) == change

    def test_turning_it_off_passes(self):
        off = {"audio": {"input": {"transcription": None}}}
        assert settings_for("gpt-realtime", off, current=transcription(prompt="fog"), strict=True) == off


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("gpt-realtime-translate", "/v1/realtime/translations"),
        ("gpt-realtime-translate-2026-03-01", "/v1/realtime/translations"),
        ("gpt-realtime-whisper", r"InputAudioTranscription\(model='gpt-realtime-whisper'\)"),
        ("gpt-4o-transcribe", "transcribes and never answers"),
        ("", "is empty"),
    ],
)
def test_a_model_that_does_not_converse_is_refused(model, why):
    with pytest.raises(SettingsError, match=why) as caught:
        refuse_what_does_not_converse(model)
    assert caught.value.field == "model"


@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-4o-realtime-preview", "my-translator"])
def test_all_others_are_not(model):
    refuse_what_does_not_converse(model)
