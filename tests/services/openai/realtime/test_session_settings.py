"""Settings over the GA wire: what is sent, and what is refused."""

from __future__ import annotations

import pytest

from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    created,
    error,
    happened,
    new_session,
    ready_session,
    response_created,
    sent,
    updated,
)
from voicepipe.realtime.events import (
    Failure,
    SessionReady,
)
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    SessionProperties,
    TurnDetection,
)


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

    def test_audio_and_text_is_taken_as_audio(self):
        session = new_session(SessionProperties(output_modalities=["audio", "text"]))
        [update] = sent(session.receive(created()))
        assert update["session"]["output_modalities"] == ["audio"]
