"""The settings of a session: what it begins with, how an update is laid over them, and what cannot be changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ga_session import GASession, one, refusal, the

PCM = {"type": "audio/pcm", "rate": 24000}
SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
TRANSCRIPTION = {
    "model": "gpt-4o-transcribe",
    "language": None,
    "prompt": "",
    "languages": [],
    "keywords": [],
    "delay": "low",
}
TOOL = {"type": "function", "name": "f", "description": "", "parameters": {"type": "object"}, "strict": False}


def changed(session: GASession, **changes: Any) -> dict[str, Any]:
    updated = session.update(**changes)
    assert updated["type"] == "session.updated", updated
    return updated["session"]


def at(settings: Any, path: str) -> Any:
    for name in path.split("."):
        settings = settings[name]
    return settings


def nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


class TestBeginning:
    def test_the_first_event_tells_all_settings_as_the_api_reports_them(self):
        session = dict(GASession().created["session"])
        assert session.pop("id").startswith("sess_")
        assert session.pop("instructions")
        assert session == {
            "type": "realtime",
            "object": "realtime.session",
            "model": "gpt-realtime",
            "expires_at": 3600,
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": PCM,
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": SERVER_VAD,
                },
                "output": {"format": PCM, "voice": "marin", "speed": 1.0},
            },
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "truncation": "auto",
            "tracing": None,
            "prompt": None,
            "include": None,
        }

    @pytest.mark.parametrize("model", ["gpt-realtime-2", "gpt-realtime-2.1", "gpt-realtime-2.1-mini"])
    def test_models_that_reason_do_so_with_low_effort(self, model):
        assert GASession(model).created["session"]["reasoning"] == {"effort": "low"}

    @pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-2025-08-28", "gpt-realtime-1.5"])
    def test_models_that_do_not_reason_report_no_effort(self, model):
        assert "reasoning" not in GASession(model).created["session"]


class TestChanges:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("output_modalities", ["text"]),
            ("instructions", "Be brief."),
            ("instructions", ""),
            ("audio.input.format", {"type": "audio/pcmu"}),
            ("audio.input.format", {"type": "audio/pcma"}),
            ("audio.input.format", PCM),
            ("audio.input.turn_detection", None),
            ("audio.output.format", {"type": "audio/pcmu"}),
            ("audio.output.voice", "cedar"),
            ("audio.output.voice", {"id": "voice_1234"}),
            ("audio.output.speed", 0.25),
            ("audio.output.speed", 1.5),
            ("tools", [TOOL]),
            ("tools", [{"type": "mcp", "server_label": "docs", "server_url": "https://docs.test/mcp"}]),
            ("tool_choice", "required"),
            ("tool_choice", "none"),
            ("tool_choice", {"type": "function", "name": "f"}),
            ("tool_choice", {"type": "mcp", "server_label": "docs"}),
            ("max_output_tokens", 1),
            ("max_output_tokens", 4096),
            ("parallel_tool_calls", False),
            ("truncation", "disabled"),
            ("truncation", {"type": "retention_ratio", "retention_ratio": 0.8}),
            (
                "truncation",
                {
                    "type": "retention_ratio",
                    "retention_ratio": 0.0,
                    "token_limits": {"post_instructions": 1000},
                },
            ),
            ("tracing", "auto"),
            ("tracing", {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}}),
            ("prompt", {"id": "pmpt_1", "version": "2", "variables": {"city": "Bern"}}),
            ("include", ["item.input_audio_transcription.logprobs"]),
        ],
    )
    def test_an_update_changes_what_it_names_and_nothing_else(self, path, value):
        session = GASession()
        before = session.created["session"]
        after = changed(session, **nested(path, value))
        assert at(after, path) == value
        assert changed(session) == after
        for other in set(before) - {path.split(".")[0]}:
            assert after[other] == before[other]
        for side in ("input", "output"):
            for name, was in before["audio"][side].items():
                if path != f"audio.{side}.{name}":
                    assert after["audio"][side][name] == was

    def test_effort_can_be_chosen_where_the_model_reasons(self):
        session = GASession("gpt-realtime-2.1")
        assert changed(session, reasoning={"effort": "high"})["reasoning"] == {"effort": "high"}

    def test_naming_the_model_that_is_in_use_is_no_change(self):
        assert changed(GASession(), model="gpt-realtime")["model"] == "gpt-realtime"

    def test_lists_are_replaced_not_joined(self):
        session = GASession()
        changed(session, tools=[TOOL, {**TOOL, "name": "g"}])
        assert [tool["name"] for tool in changed(session, tools=[{**TOOL, "name": "h"}])["tools"]] == ["h"]
        assert changed(session, tools=[])["tools"] == []

    @pytest.mark.parametrize(
        ("name", "set_to"),
        [
            ("audio.input.transcription", {"model": "whisper-1"}),
            ("audio.input.noise_reduction", {"type": "near_field"}),
            ("audio.input.turn_detection", {"type": "semantic_vad"}),
            ("prompt", {"id": "pmpt_1"}),
            ("include", ["item.input_audio_transcription.logprobs"]),
        ],
    )
    def test_null_takes_a_setting_away(self, name, set_to):
        session = GASession()
        assert at(changed(session, **nested(name, set_to)), name) is not None
        assert at(changed(session, **nested(name, None)), name) is None

    def test_input_that_is_not_named_in_an_update_of_output_stays(self):
        session = GASession()
        session.update_input(transcription={"model": "whisper-1"}, turn_detection=None)
        audio = session.update_output(voice="ash")["session"]["audio"]
        assert audio["input"]["transcription"] == {"model": "whisper-1"}
        assert audio["input"]["turn_detection"] is None


class TestNestedParts:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("threshold", 0.9),
            ("prefix_padding_ms", 0),
            ("silence_duration_ms", 750),
            ("idle_timeout_ms", 5000),
            ("idle_timeout_ms", 30000),
            ("create_response", False),
            ("interrupt_response", False),
        ],
    )
    def test_turn_detection_is_merged_field_by_field(self, name, value):
        session = GASession()
        session.detect(threshold=0.7, silence_duration_ms=300)
        detection = session.detect(**{name: value})["session"]["audio"]["input"]["turn_detection"]
        assert detection == {**SERVER_VAD, "threshold": 0.7, "silence_duration_ms": 300, name: value}

    def test_another_type_of_turn_detection_begins_with_its_own_defaults(self):
        session = GASession()
        session.detect(create_response=False)
        detection = session.detect("semantic_vad")["session"]["audio"]["input"]["turn_detection"]
        assert detection == SEMANTIC_VAD
        session.detect("semantic_vad", eagerness="low")
        assert session.detect("semantic_vad", create_response=False)["session"]["audio"]["input"][
            "turn_detection"
        ] == {**SEMANTIC_VAD, "eagerness": "low", "create_response": False}
        assert session.detect()["session"]["audio"]["input"]["turn_detection"] == SERVER_VAD

    def test_turn_detection_switched_on_again_has_its_defaults(self):
        session = GASession()
        session.detect(threshold=0.7)
        session.update_input(turn_detection=None)
        assert session.detect()["session"]["audio"]["input"]["turn_detection"] == SERVER_VAD

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("model", "gpt-4o-mini-transcribe"),
            ("language", "de"),
            ("prompt", "Names of rivers."),
            ("languages", ["de", "fr"]),
            ("keywords", ["Aare"]),
            ("delay", "minimal"),
        ],
    )
    def test_transcription_is_merged_field_by_field(self, name, value):
        session = GASession()
        session.update_input(transcription={"model": "gpt-transcribe", "language": "en"})
        merged = session.update_input(transcription={name: value})["session"]["audio"]["input"]
        expected = {**TRANSCRIPTION, "model": "gpt-transcribe", "language": "en", name: value}
        assert {key: merged["transcription"].get(key, TRANSCRIPTION[key]) for key in expected} == expected

    def test_the_strength_of_noise_reduction_is_1_at_first_and_kept_if_left_out(self):
        session = GASession()
        first = session.update_input(noise_reduction={"type": "near_field"})["session"]["audio"]["input"]
        assert first["noise_reduction"] == {"type": "near_field", "strength": 1.0}
        session.update_input(noise_reduction={"type": "near_field", "strength": 2.5})
        kept = session.update_input(noise_reduction={"type": "far_field"})["session"]["audio"]["input"]
        assert kept["noise_reduction"] == {"type": "far_field", "strength": 2.5}


class TestWhatCannotChangeNow:
    def test_another_model(self):
        assert refusal(GASession().update(model="gpt-realtime-2")) == ("invalid_value", "session.model")

    @pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-mini-2025-12-15", "gpt-realtime-1.5"])
    def test_reasoning_of_a_model_that_does_not(self, model):
        update = GASession(model).update(reasoning={"effort": "low"})
        assert refusal(update) == ("invalid_value", "session.reasoning")

    def test_reasoning_of_one_response_of_a_model_that_does_not(self):
        session = GASession()
        assert refusal(session.respond(reasoning={"effort": "low"})) == (
            "invalid_value",
            "response.reasoning",
        )
        assert not session.answers

    def test_the_voice_once_it_was_heard(self):
        session = GASession()
        session.respond()
        response = session.begin("Hello there.")
        session.update_output(voice="ash")
        session.advance(response)
        refused = session.update(instructions="New.", audio={"output": {"voice": "cedar"}})
        assert refusal(refused) == ("cannot_update_voice", "session.audio.output.voice")
        session.finish(response)
        assert refusal(session.update_output(voice="cedar"))[0] == "cannot_update_voice"
        settings = changed(session, audio={"output": {"voice": "ash"}})
        assert settings["audio"]["output"]["voice"] == "ash"
        assert settings["instructions"] != "New.", "the whole update is refused"

    def test_the_voice_of_one_response_once_another_was_heard(self):
        session = GASession()
        session.respond()
        session.answer("Hello.")
        refused = session.respond(audio={"output": {"voice": "ash"}})
        assert refusal(refused) == ("cannot_update_voice", "response.audio.output.voice")

    def test_a_text_answer_leaves_the_voice_free(self):
        session = GASession()
        session.respond(output_modalities=["text"])
        session.answer("Hello.")
        assert session.update_output(voice="ash")["type"] == "session.updated"

    def test_the_speed_while_a_response_runs(self):
        session = GASession()
        session.respond()
        assert refusal(session.update_output(speed=1.2)) == ("invalid_value", "session.audio.output.speed")
        assert session.update_output(speed=1.0)["type"] == "session.updated"
        session.answer()
        assert session.update_output(speed=1.2)["session"]["audio"]["output"]["speed"] == 1.2

    @pytest.mark.parametrize("other", [None, {"workflow_name": "w"}])
    def test_tracing_once_it_is_on(self, other):
        session = GASession()
        changed(session, tracing="auto")
        assert refusal(session.update(tracing=other)) == ("invalid_value", "session.tracing")
        assert changed(session, tracing="auto")["tracing"] == "auto"

    @pytest.mark.parametrize("steps", [["both"], ["model", "prompt"], ["prompt", "model"]])
    def test_a_prompt_for_a_transcription_that_takes_none(self, steps):
        session = GASession()
        parts = {"model": {"model": "gpt-realtime-whisper"}, "prompt": {"prompt": "Rivers."}}
        parts["both"] = parts["model"] | parts["prompt"]
        *before, last = [session.update_input(transcription=parts[step]) for step in steps]
        assert all(update["type"] == "session.updated" for update in before)
        assert refusal(last) == ("invalid_value", "session.audio.input.transcription.prompt")

    def test_nothing_of_a_refused_update_is_applied(self):
        session = GASession()
        refused = session.update(
            instructions="New.", audio={"input": {"turn_detection": None}}, model="another"
        )
        assert refused["type"] == "error"
        settings = changed(session)
        assert settings["instructions"] != "New."
        assert settings["audio"]["input"]["turn_detection"] == SERVER_VAD


class TestOneResponse:
    def test_its_own_settings_stand_in_for_the_sessions_once(self):
        session = GASession()
        changed(session, instructions="Of the session.", tools=[TOOL])
        created = the(
            session.respond(
                instructions="Of the response.",
                output_modalities=["text"],
                tools=[],
                tool_choice="none",
                max_output_tokens=50,
                audio={"output": {"voice": "ash", "format": {"type": "audio/pcmu"}}},
            ),
            "response.created",
        )["response"]
        assert created["output_modalities"] == ["text"]
        assert created["max_output_tokens"] == 50
        assert created["audio"] == {"output": {"format": {"type": "audio/pcmu"}, "voice": "ash"}}
        asked = session.answers[0].conversation
        assert (asked.instructions, asked.tools, asked.tool_choice) == ("Of the response.", [], "none")
        session.answer()

        created = the(session.respond(), "response.created")["response"]
        assert (created["output_modalities"], created["max_output_tokens"]) == (["audio"], "inf")
        assert created["audio"] == {"output": {"format": PCM, "voice": "marin"}}
        asked = session.answers[0].conversation
        assert (asked.instructions, asked.tool_choice) == ("Of the session.", "auto")
        assert [tool["name"] for tool in asked.tools] == ["f"]

    def test_empty_instructions_are_instructions(self):
        session = GASession()
        session.respond(instructions="")
        assert session.answers[0].conversation.instructions == ""

    def test_mcp_tools_are_not_offered_to_the_brain(self):
        session = GASession()
        changed(session, tools=[TOOL, {"type": "mcp", "server_label": "docs"}])
        session.respond()
        assert [tool["name"] for tool in session.answers[0].conversation.tools] == ["f"]

    def test_metadata_comes_back_as_it_was_given(self):
        session = GASession()
        metadata = {"token": "1"}
        assert one(session.respond(metadata=metadata))["response"]["metadata"] == metadata
        assert the(session.answer(), "response.done")["response"]["metadata"] == metadata
