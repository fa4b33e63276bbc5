"""Settings over the GA wire: what is sent, and what is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    created,
    error,
    happened,
    line,
    new_session,
    ready_session,
    response_created,
    sent,
    updated,
)
from tests.support.wires import wire
from voicepipe.realtime.events import (
    Failure,
    SessionReady,
    SettingsApplied,
)
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SemanticTurnDetection,
    SessionProperties,
    TurnDetection,
)


def turns(detection: Any) -> dict[str, Any]:
    return {"audio": {"input": {"turn_detection": detection}}}


def detecting(detection: Any, **others: Any) -> SessionProperties:
    return SessionProperties(audio=AudioConfiguration(input=AudioInput(turn_detection=detection)), **others)


def confirmed_in_mu_law() -> bytes:
    shape = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    return line("session.updated", session=shape if wire() == "ga" else {"input_audio_format": "g711_ulaw"})


@pytest.mark.usefixtures("both_wires")
class TestSettings:
    def test_an_update_sends_only_what_changes_at_any_depth(self):
        """Promise P-13, row S002-38."""
        begin = SessionProperties(
            instructions="A",
            audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection(threshold=0.3))),
        )
        session = ready_session(begin)
        [update] = sent(session.update({"instructions": "A", "audio": {"output": {"speed": 1.2}}}))
        assert update["session"] == {"type": "realtime", "audio": {"output": {"speed": 1.2}}}
        detection = session.properties.audio.input.turn_detection
        assert detection.threshold == 0.3

    def test_part_of_turn_detection_can_change_and_goes_out_whole(self):
        begin = SessionProperties(
            audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection(threshold=0.3)))
        )
        session = ready_session(begin)
        [update] = sent(
            session.update({"audio": {"input": {"turn_detection": {"silence_duration_ms": 900}}}})
        )
        detection = update["session"]["audio"]["input"]["turn_detection"]
        assert (detection["threshold"], detection["silence_duration_ms"]) == (0.3, 900)

    def test_another_type_of_turn_detection_takes_no_field_of_the_old_one_along(self):
        begin = SessionProperties(
            audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection(threshold=0.3)))
        )
        session = ready_session(begin)
        change = {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}}
        [update] = sent(session.update(change))
        assert update["session"]["audio"]["input"]["turn_detection"] == {
            "type": "semantic_vad",
            "eagerness": "low",
        }

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"instruktions": "x"}, "instruktions"),
            ({"max_output_tokens": 0}, "max_output_tokens"),
            ({"audio": {"output": {"speed": 9.0}}}, "audio.output.speed"),
            (
                {"audio": {"input": {"turn_detection": {"threshold": 9}}}},
                "audio.input.turn_detection.threshold",
            ),
            ({"model": "gpt-realtime-2"}, "model"),
        ],
    )
    def test_a_bad_change_names_the_field_changes_nothing_and_sends_nothing(self, changes, field):
        begin = SessionProperties(
            instructions="A", audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection()))
        )
        session = ready_session(begin)
        [failure] = session.update({"instructions": "B", **changes})
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.field, failure.fatal) == ("settings", field, False)
        assert session.properties == begin

    def test_the_voice_can_change_until_the_bot_has_spoken(self):
        session = ready_session()
        assert len(sent(session.update({"audio": {"output": {"voice": "cedar"}}}))) == 1
        session.receive(response_created())
        session.receive(audio_delta(20))
        [failure] = session.update({"audio": {"output": {"voice": "marin"}}})
        assert isinstance(failure, Failure)
        assert failure.field == "audio.output.voice"

    def test_a_refused_update_takes_no_other_with_it(self):
        session = ready_session()
        [first] = sent(session.update({"instructions": "A"}))
        session.update({"max_output_tokens": 100})
        [failure] = session.receive(error("invalid_value", first["event_id"], param="session.instructions"))
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.fatal) == ("settings", False)
        session.receive(updated())
        assert session.properties == SessionProperties(max_output_tokens=100)

    @pytest.mark.parametrize(
        ("code", "param"),
        [("cannot_update_voice", None), ("invalid_value", "session.audio.output.voice")],
    )
    def test_p14_a_refused_field_is_told_and_the_rest_of_its_update_goes_out_again(self, code, param):
        session = ready_session()
        changes = {"instructions": "Be brief.", "audio": {"output": {"voice": "cedar", "speed": 1.2}}}
        [update] = sent(session.update(changes))
        outputs = session.receive(error(code, update["event_id"], param=param, message="Not now."))
        [told] = happened(outputs)
        assert (told.kind, told.fatal, told.message) == ("settings", False, "Not now.")
        [again] = sent(outputs)
        assert again["session"] == {
            "type": "realtime",
            "instructions": "Be brief.",
            "audio": {"output": {"speed": 1.2}},
        }
        assert session.properties.instructions == "Be brief."
        assert session.properties.audio.output.voice is None

    @pytest.mark.parametrize("is_first", [True, False])
    def test_p15_a_transcriptions_model_that_there_is_not_ends_no_session(self, is_first):
        audio = {"input": {"transcription": {"model": "gpt-9"}}}
        if is_first:
            session = new_session(SessionProperties.model_validate({"audio": audio}))
            [update] = sent(session.receive(created()))
        else:
            session = ready_session()
            [update] = sent(session.update({"audio": audio}))
        param = "session.audio.input.transcription.model"
        outputs = session.receive(error("model_not_found", update["event_id"], param=param))
        [told] = happened(outputs)
        assert (told.kind, told.fatal, told.field) == ("settings", False, param)
        assert not session.transcribes

    def test_p14_a_refusal_that_names_no_field_takes_the_update_back_and_nothing_else(self):
        session = ready_session(SessionProperties(instructions="A"))
        [update] = sent(session.update({"instructions": "B"}))
        outputs = session.receive(error("invalid_value", update["event_id"], message="No."))
        assert sent(outputs) == []
        assert session.properties.instructions == "A"

    def test_p14_a_field_of_the_first_settings_that_is_refused_is_left_out(self):
        session = new_session(SessionProperties(instructions="A", tool_choice="auto"))
        [first] = sent(session.receive(created()))
        refusal = error("unknown_parameter", first["event_id"], param="session.tool_choice", message="?")
        outputs = session.receive(refusal)
        assert [failure.fatal for failure in happened(outputs)] == [False]
        [again] = sent(outputs)
        assert again["session"] == {"type": "realtime", "instructions": "A"}
        assert isinstance(session.receive(updated())[0], SessionReady)

    @pytest.mark.parametrize(
        ("setting", "param"),
        [
            (
                {"truncation": {"type": "retention_ratio", "retention_ratio": 0.5}},
                "truncation.retention_ratio",
            ),
            ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
            (
                {"audio": {"input": {"noise_reduction": {"type": "near_field", "strength": 1}}}},
                "audio.input.noise_reduction.type",
            ),
        ],
    )
    @pytest.mark.parametrize("is_first", [True, False])
    def test_p14_with_a_refused_field_goes_what_cannot_be_without_it_and_nothing_else(
        self, setting, param, is_first
    ):
        changes = {"instructions": "Be brief.", **setting}
        if is_first:
            session = new_session(SessionProperties.model_validate(changes))
            [update] = sent(session.receive(created()))
        else:
            session = ready_session()
            [update] = sent(session.update(changes))
        outputs = session.receive(
            error("invalid_value", update["event_id"], param=f"session.{param}", message="No.")
        )
        assert [(told.message, told.fatal) for told in happened(outputs)] == [("No.", False)]
        [again] = sent(outputs)
        assert again["session"] == {"type": "realtime", "instructions": "Be brief."}
        session.receive(updated())
        assert session.is_ready
        assert session.properties == SessionProperties(instructions="Be brief.")

    def test_a_change_that_builds_upon_a_refused_one_counts_as_it_went_out(self):
        session = ready_session(detecting(TurnDetection()))
        [first] = sent(session.update(turns({"type": "semantic_vad"})))
        [second] = sent(session.update(turns({"eagerness": "low"})))
        [failure] = session.receive(error("invalid_value", first["event_id"], message="No."))
        assert isinstance(failure, Failure)
        [applied] = session.receive(updated())
        assert isinstance(applied, SettingsApplied)
        told = second["session"]["audio"]["input"]["turn_detection"]
        assert told == {"type": "semantic_vad", "eagerness": "low"}
        assert session.properties == detecting(SemanticTurnDetection(eagerness="low"))

    def test_none_changes_nothing_that_a_running_session_was_told(self):
        begin = detecting(False, instructions="A", tools=[{"type": "function", "name": "f"}])
        session = ready_session(begin)
        changes = {"instructions": None, "tools": None, **turns(None), "max_output_tokens": 5}
        [update] = sent(session.update(changes))
        assert update["session"] == {"type": "realtime", "max_output_tokens": 5}
        assert session.properties == begin.model_copy(update={"max_output_tokens": 5})
        assert not session.server_decides_turns

    def test_none_clears_what_can_be_cleared(self):
        transcribing = AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
        session = ready_session(SessionProperties(audio=transcribing))
        [update] = sent(session.update({"audio": {"input": {"transcription": None}}}))
        assert update["session"]["audio"] == {"input": {"transcription": None}}
        assert not session.transcribes

    def test_none_with_an_unknown_name_is_refused_all_the_same(self):
        [failure] = ready_session().update({"voise": None})
        assert failure.field == "voise"

    def test_a_part_of_turn_detection_without_its_type_says_what_is_missing(self):
        [failure] = ready_session().update(turns({"threshold": 0.3}))
        assert failure.field == "audio.input.turn_detection"
        assert "needs its `type`" in failure.message

    def test_a_change_of_the_format_between_connections_loses_nothing_that_waits(self):
        session = ready_session()
        session.closed()
        session.append_audio(bytes(4800))
        session.add_image("data:image/png;base64,AA==")
        assert session.update({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}) == []
        session.receive(created())
        told = sent(session.receive(confirmed_in_mu_law()))
        assert [m["type"] for m in told[-2:]] == ["input_audio_buffer.append", "conversation.item.create"]
        assert len(base64.b64decode(told[-2]["audio"])) == 800

    def test_a_change_leaves_the_formats_alone_that_the_server_chose(self):
        session = new_session()
        session.receive(created())
        session.receive(confirmed_in_mu_law())
        assert session.input_sample_rate == 8000
        assert len(sent(session.update({"instructions": "A"}))) == 1
        [sound] = sent(session.append_audio(bytes(320)))
        assert base64.b64decode(sound["audio"]) == b"\xff" * 160

    def test_audio_and_text_is_taken_as_audio(self):
        session = new_session(SessionProperties(output_modalities=["audio", "text"]))
        [update] = sent(session.receive(created()))
        assert update["session"]["output_modalities"] == ["audio"]
