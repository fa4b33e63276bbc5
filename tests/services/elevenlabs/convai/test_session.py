"""The ElevenLabs session object: wire lines in, happenings out; no event loop, no clock."""

from __future__ import annotations

import base64
import json

import pytest

from tests.services.elevenlabs.convai.wire_lines import (
    agent_says,
    audio,
    complete,
    corrected,
    failed,
    given,
    happened,
    interruption,
    line,
    metadata,
    names,
    part,
    ready_session,
    sent,
    tool_call,
    user_may_say,
    user_says,
)
from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import (
    ApprovalWanted,
    AudioChunk,
    BotTranscript,
    Failure,
    ItemRetrieved,
    ItemUpdated,
    Oddity,
    ResponseFinished,
    ResponseStarted,
    ServerEvent,
    ServerTool,
    SessionReady,
    ToolCall,
    UserSpeechStarted,
    UserTranscript,
)
from voicepipe.realtime.history import Said
from voicepipe.services.elevenlabs.convai import (
    AgentOverride,
    ConversationOverride,
    ConversationSettings,
    ElevenLabsConvAISession,
    Overrides,
    TTSOverride,
)

TEXT_ONLY = ConversationSettings(overrides=Overrides(conversation=ConversationOverride(text_only=True)))


def said(session: ElevenLabsConvAISession) -> list[tuple[str, str]]:
    return [(one.role, one.text) for one in session.history.entries() if isinstance(one, Said)]


def heard(session: ElevenLabsConvAISession, ms: float, sent_ms: float) -> list[Heard]:
    """Say how much of the newest reply was played."""
    newest = session.history.entries()[-1]
    assert isinstance(newest, Said)
    return [Heard("", newest.item_id, ms, sent_ms)]


class TestStart:
    def test_the_first_message_holds_nothing_that_was_not_given(self):
        [first] = sent(ElevenLabsConvAISession().open())
        assert set(first) == {"type", "source_info"}
        assert first["type"] == "conversation_initiation_client_data"

    def test_all_that_was_given_goes_out_in_the_wires_shape(self):
        settings = ConversationSettings(
            overrides=Overrides(
                agent=AgentOverride(first_message=""), tts=TTSOverride(voice_id="v1", stability=0.4)
            ),
            dynamic_variables={"name": "Ann", "vip": True, "age": 40},
            custom_llm_extra_body={"temperature": 0.2},
            user_id="u-1",
        )
        [first] = sent(ElevenLabsConvAISession(settings).open())
        assert first["conversation_config_override"] == {
            "agent": {"first_message": ""},
            "tts": {"voice_id": "v1", "stability": 0.4},
        }
        assert first["dynamic_variables"] == {"name": "Ann", "vip": True, "age": 40}
        assert first["custom_llm_extra_body"] == {"temperature": 0.2}
        assert first["user_id"] == "u-1"

    def test_it_is_ready_when_the_server_tells_the_formats(self):
        session = ElevenLabsConvAISession()
        session.open()
        outputs = session.receive(metadata("ulaw_8000", "pcm_24000"))
        assert happened(outputs)[0] == SessionReady("conv_1")
        assert (session.input_sample_rate, session.output_sample_rate) == (24000, 8000)

    def test_without_a_word_about_formats_they_are_pcm_at_16_khz(self):
        session = ElevenLabsConvAISession()
        session.open()
        session.receive(line("conversation_initiation_metadata", conversation_id="conv_9"))
        assert (session.input_sample_rate, session.output_sample_rate) == (16000, 16000)

    def test_a_format_that_is_not_known_is_fatal_and_named(self):
        session = ElevenLabsConvAISession()
        session.open()
        [failure] = session.receive(metadata("mp3_44100"))
        assert isinstance(failure, Failure)
        assert failure.fatal
        assert "mp3_44100" in failure.message

    @pytest.mark.parametrize(
        "event",
        [
            line("conversation_initiation_metadata"),
            line("conversation_initiation_metadata", conversation_id=5),
            line("conversation_initiation_metadata", conversation_id="c", user_input_audio_format=5),
            line("conversation_initiation_metadata", conversation_id="c", agent_output_audio_format=["a"]),
        ],
    )
    def test_what_only_looks_like_the_beginning_of_a_conversation_is_passed_over(self, event):
        session = ElevenLabsConvAISession()
        session.open()
        assert [type(one) for one in session.receive(event)] == [Oddity]
        assert happened(session.receive(metadata("ulaw_8000")))[0] == SessionReady("conv_1")

    def test_a_conversation_that_has_begun_does_not_begin_again_and_keeps_its_formats(self):
        session = ElevenLabsConvAISession()
        session.open()
        session.receive(metadata("ulaw_8000", "pcm_24000"))
        for again in (metadata(), metadata("mp3_44100"), metadata(conversation_id="conv_2")):
            assert not [one for one in session.receive(again) if not isinstance(one, Oddity)]
        assert (session.input_sample_rate, session.output_sample_rate) == (24000, 8000)

    @pytest.mark.parametrize("event_id", [None, [], "5", {"id": 5}])
    def test_a_ping_without_a_number_is_not_answered(self, event_id):
        session = ElevenLabsConvAISession()
        session.open()
        session.receive(metadata())
        assert sent(session.receive(line("ping", ping_event={"event_id": event_id}))) == []

    def test_sound_that_comes_too_early_waits_and_goes_out_in_the_agents_format(self):
        session = ElevenLabsConvAISession()
        session.open()
        for index in range(110):
            assert session.append_audio(bytes([0, index]) * 1600) == []
        chunks = sent(session.receive(metadata(into="ulaw_8000")))
        total = b"".join(base64.b64decode(one["user_audio_chunk"]) for one in chunks)
        # Ten seconds, and the resampler's tail.
        assert 8 * 10_000 <= len(total) <= 8 * 10_010

    def test_messages_that_come_too_early_are_told_when_it_has_begun(self):
        session = ElevenLabsConvAISession()
        assert session.add_message("system", "The shop is closed on Mondays.") == []
        assert session.add_message("user", "Are you open?") == []
        assert session.create_response() == []
        session.open()
        update, message = sent(session.receive(metadata()))
        assert update == {"type": "contextual_update", "text": "The shop is closed on Mondays."}
        assert message == {"type": "user_message", "text": "Are you open?"}


class TestSound:
    def test_an_odd_byte_is_carried_over_both_ways(self):
        session = ready_session()
        first, second = sent(session.append_audio(b"\1\2\3")), sent(session.append_audio(b"\4"))
        assert [base64.b64decode(one["user_audio_chunk"]) for one in first + second] == [b"\1\2", b"\3\4"]
        pieces = []
        for sound in (b"\1\2\3", b"\4"):
            event = {"audio_base_64": base64.b64encode(sound).decode(), "event_id": 1}
            outputs = session.receive(line("audio", audio_event=event))
            pieces += [one.pcm for one in outputs if isinstance(one, AudioChunk)]
        assert pieces == [b"\1\2", b"\3\4"]

    def test_mulaw_is_mulaw_on_the_wire_both_ways(self):
        session = ElevenLabsConvAISession()
        session.open()
        session.receive(metadata("ulaw_8000", "ulaw_8000"))
        [chunk] = sent(session.append_audio(bytes(320)))
        assert base64.b64decode(chunk["user_audio_chunk"]) == b"\xff" * 160
        event = {"audio_base_64": base64.b64encode(b"\xff" * 160).decode(), "event_id": 1}
        [_, sound] = session.receive(line("audio", audio_event=event))
        assert isinstance(sound, AudioChunk)
        assert sound.pcm == bytes(320)

    def test_a_conversation_in_writing_sends_no_sound(self):
        session = ready_session(TEXT_ONLY)
        assert not session.speaks
        assert session.append_audio(bytes(640)) == []


class TestTurns:
    def test_a_spoken_turn_in_the_words_all_providers_share(self):
        session = ready_session()
        outputs = given(
            session,
            user_may_say("what is", 1),
            user_says("what is new", 2),
            agent_says("Nothing.", 3),
            audio(4, is_final=False),
            audio(5, is_final=True),
        )
        assert names(outputs) == [
            "UserSpeechStarted",
            "UserTranscript",
            "UserSpeechStopped",
            "ItemCreated",
            "UserTranscript",
            "ResponseStarted",
            "BotTranscript",
            "ItemCreated",
            "AudioChunk",
            "ResponseFinished",
        ]
        assert said(session) == [("user", "what is new"), ("assistant", "Nothing.")]
        finished = happened(outputs)[-1]
        assert isinstance(finished, ResponseFinished)
        assert finished.status == "completed"

    def test_a_response_may_begin_with_its_sound(self):
        session = ready_session()
        outputs = given(session, audio(1, is_final=False), agent_says("Hi.", 2), audio(3, is_final=True))
        assert names(outputs) == [
            "ResponseStarted",
            "AudioChunk",
            "BotTranscript",
            "ItemCreated",
            "AudioChunk",
            "ResponseFinished",
        ]

    def test_it_ends_with_agent_response_complete_once(self):
        session = ready_session()
        given(session, agent_says("Hi.", 1), audio(2))
        assert names(session.receive(complete(3))) == ["ResponseFinished"]
        assert session.receive(complete(4)) == []
        assert not session.is_responding

    def test_where_nobody_marks_the_end_whoever_has_a_clock_tells_it(self):
        session = ready_session()
        given(session, agent_says("Hi.", 1))
        assert session.ends_after_ms == 5000
        given(session, audio(2))
        assert session.ends_after_ms == 500
        assert names(session.reply_ended()) == ["ResponseFinished"]
        assert session.ends_after_ms is None

    def test_where_the_server_marks_ends_no_clock_is_needed(self):
        session = ready_session()
        given(session, agent_says("Hi.", 1), audio(2, is_final=False))
        assert session.ends_after_ms == 500
        given(session, audio(3, is_final=True), agent_says("So?", 4), audio(5, is_final=False))
        assert session.ends_after_ms is None

    def test_words_in_parts_are_told_as_they_come_and_not_again(self):
        session = ready_session()
        outputs = given(
            session,
            part("start", "", 1),
            part("delta", "Good ", 2),
            part("delta", "morning.", 3),
            part("stop", "", 4),
            agent_says("Good morning.", 5),
            audio(6, is_final=True),
        )
        assert [one.text for one in outputs if isinstance(one, BotTranscript)] == ["Good ", "morning."]
        assert names(outputs).count("ResponseStarted") == 1
        assert said(session) == [("assistant", "Good morning.")]

    def test_an_answer_in_writing_ends_with_its_words(self):
        session = ready_session(TEXT_ONLY)
        outputs = given(session, agent_says("Hi.", 1), complete(2))
        assert names(outputs) == ["ResponseStarted", "BotTranscript", "ResponseFinished", "ItemCreated"]
        [words] = [one for one in outputs if isinstance(one, BotTranscript)]
        assert not words.spoken

    def test_further_words_are_another_response(self):
        session = ready_session()
        outputs = given(session, agent_says("One.", 1), audio(2), agent_says("Two.", 3))
        assert names(outputs) == [
            "ResponseStarted",
            "BotTranscript",
            "ItemCreated",
            "AudioChunk",
            "ResponseFinished",
            "ResponseStarted",
            "BotTranscript",
            "ItemCreated",
        ]

    def test_while_the_bot_is_heard_words_alone_are_no_interruption(self):
        session = ready_session(is_playing=lambda: True)
        outputs = given(session, user_may_say("mhm", 1), user_says("mhm", 2))
        assert names(outputs)[0] == "UserTranscript"
        [started] = [one for one in outputs if isinstance(one, UserSpeechStarted)]
        assert not started.cancels_response

    def test_a_turn_without_words_ends_when_the_bot_speaks_again(self):
        session = ready_session()
        given(session, agent_says("Hi.", 1), audio(2), interruption(3))
        outputs = given(session, agent_says("Yes?", 4))
        assert names(outputs)[:3] == ["ResponseFinished", "UserSpeechStopped", "ResponseStarted"]

    def test_a_written_turn_waits_for_the_wish_to_answer_it(self):
        session = ready_session()
        assert session.add_message("user", "hello") == []
        [message] = sent(session.create_response())
        assert message == {"type": "user_message", "text": "hello"}
        assert said(session) == [("user", "hello")]

    def test_what_was_written_and_not_to_be_answered_is_told_after_the_next_turn(self):
        session = ready_session()
        session.add_message("user", "my number is 7")
        [update] = sent(session.receive(user_says("hello", 1)))
        assert update == {"type": "contextual_update", "text": "The user wrote: my number is 7"}


class TestInterruptions:
    def test_p18_late_sound_of_what_was_interrupted_is_dropped_by_its_event_id(self):
        session = ready_session()
        given(session, agent_says("A long story.", 1), audio(2))
        assert names(session.receive(interruption(5))) == ["UserSpeechStarted"]
        assert given(session, audio(4), audio(5, is_final=True), complete(5), agent_says("Late.", 5)) == []
        outputs = given(session, user_says("stop", 6), audio(7))
        assert "AudioChunk" in names(outputs)
        [finished] = [one for one in outputs if isinstance(one, ResponseFinished)]
        assert finished.status == "cancelled"

    def test_what_comes_after_a_noise_is_heard_also_without_words_before_it(self):
        session = ready_session()
        given(session, agent_says("A long story.", 1), audio(2, is_final=False), interruption(5))
        assert session.ends_after_ms == 500
        outputs = given(session, audio(6, is_final=False))
        assert names(outputs) == ["ResponseFinished", "UserSpeechStopped", "ResponseStarted", "AudioChunk"]

    def test_the_history_follows_the_correction(self):
        session = ready_session()
        given(session, agent_says("One two three.", 1), audio(2, 1000), interruption(3))
        session.interrupt(heard(session, 200, 1000))
        outputs = given(session, corrected("One two three.", "One two", 4))
        assert isinstance(outputs[0], ItemUpdated)
        assert said(session) == [("assistant", "One two")]
        given(session, user_says("wait", 5))
        assert said(session) == [("assistant", "One two"), ("user", "wait")]

    def test_a_reply_of_which_nothing_was_heard_was_never_said(self):
        session = ready_session()
        given(session, agent_says("One.", 1), audio(2), interruption(3), corrected("One.", "", 4))
        assert said(session) == []

    def test_without_a_correction_the_history_has_what_was_played(self):
        session = ready_session()
        given(session, agent_says("one two three four", 1), audio(2, 1000), interruption(3))
        assert session.interrupt(heard(session, 600, 1000)) == []
        [(_, text)] = said(session)
        assert text in ("one two", "one two three")

    def test_an_interruption_of_our_own_drops_the_rest_and_tells_the_agent_what_was_heard(self):
        session = ready_session()
        given(session, agent_says("one two three four", 1), audio(2, 1000, is_final=False))
        [update] = sent(session.interrupt(heard(session, 600, 1000)))
        assert update["type"] == "contextual_update"
        assert "one two" in update["text"]
        assert not session.is_responding
        assert given(session, audio(3, is_final=False)) == []
        [finished] = given(session, audio(4, is_final=True))
        assert isinstance(finished, ResponseFinished)
        assert finished.status == "cancelled"
        assert names(given(session, agent_says("Next.", 5))) == [
            "ResponseStarted",
            "BotTranscript",
            "ItemCreated",
        ]

    def test_what_was_played_to_its_end_is_not_cut(self):
        session = ready_session()
        given(session, agent_says("One.", 1), audio(2, is_final=False))
        parts = heard(session, 100, 100)
        given(session, audio(3, 0, is_final=True))
        assert session.interrupt(parts) == []
        assert said(session) == [("assistant", "One.")]


class TestFunctions:
    def test_p7_a_call_its_result_and_the_end_of_the_response_that_made_it(self):
        session = ready_session()
        outputs = given(
            session, user_says("weather", 1), tool_call("c1", "get_weather", 2, parameters={"city": "Paris"})
        )
        [call] = [one for one in outputs if isinstance(one, ToolCall)]
        assert (call.name, call.arguments) == ("get_weather", {"city": "Paris"})
        outputs = session.send_tool_result("c1", '{"sky":"clear"}')
        assert sent(outputs) == [
            {
                "type": "client_tool_result",
                "tool_call_id": "c1",
                "result": '{"sky":"clear"}',
                "is_error": False,
            }
        ]
        assert happened(outputs) == [ResponseFinished(call.response_id, "completed", calls=("c1",))]
        assert names(given(session, agent_says("Clear.", 3)))[0] == "ResponseStarted"

    def test_two_calls_are_one_response_which_ends_when_both_are_answered(self):
        session = ready_session()
        outputs = given(session, tool_call("c1", "a", 1), tool_call("c2", "b", 2), tool_call("c2", "b", 2))
        assert names(outputs) == ["ResponseStarted", "ToolCall", "ToolCall"]
        assert names(session.send_tool_result("c2", "2")) == []
        [finished] = happened(session.send_tool_result("c1", "1"))
        assert isinstance(finished, ResponseFinished)
        assert finished.calls == ("c1", "c2")
        assert session.send_tool_result("c1", "again") == []

    @pytest.mark.parametrize("output", ['{"error":"no such city"}', "CANCELLED"])
    def test_an_error_goes_back_as_one(self, output):
        session = ready_session()
        given(session, tool_call("c1", "a", 1))
        [result] = sent(session.send_tool_result("c1", output))
        assert result["is_error"]

    def test_a_call_without_a_result_is_run_and_not_answered(self):
        session = ready_session()
        outputs = given(session, tool_call("c1", "a", 1, expects_response=False))
        assert "ToolCall" in names(outputs)
        assert sent(session.send_tool_result("c1", "done")) == []

    def test_p6_a_call_of_what_was_interrupted_is_answered_and_not_run(self):
        session = ready_session()
        given(session, agent_says("Hm.", 1), audio(2), interruption(5))
        outputs = session.receive(tool_call("c1", "a", 4))
        assert happened(outputs) == []
        [result] = sent(outputs)
        assert (result["tool_call_id"], result["is_error"]) == ("c1", True)

    def test_bad_parameters_are_a_problem_of_the_call(self):
        session = ready_session()
        [call] = [
            one
            for one in given(session, tool_call("c1", "a", 1, parameters=[1]))
            if isinstance(one, ToolCall)
        ]
        assert call.arguments is None
        assert "JSON object" in call.problem

    def test_tools_of_the_server_are_told(self):
        session = ready_session()
        request = {"tool_name": "t", "tool_call_id": "c1", "tool_type": "webhook", "event_id": 1}
        response = {**request, "is_error": True, "is_called": True}
        outputs = given(
            session,
            line("agent_tool_request", agent_tool_request=request),
            line("agent_tool_response", agent_tool_response=response),
            line("agent_tool_response_full_payload", agent_tool_response_full_payload=response),
            line("agent_tool_response", agent_tool_response={**response, "tool_type": "client"}),
        )
        assert [one.stage for one in outputs if isinstance(one, ServerTool)] == ["calling", "failed"]

    def test_mcp_calls_may_want_approval(self):
        session = ready_session()
        call = {"service_id": "s", "tool_call_id": "m1", "tool_name": "t", "parameters": {"a": 1}}
        outputs = given(session, line("mcp_tool_call", mcp_tool_call={**call, "state": "awaiting_approval"}))
        assert outputs[1] == ApprovalWanted("m1", "s", "t", '{"a":1}')
        assert sent(session.approve("m1", approve=True)) == [
            {"type": "mcp_tool_approval_result", "tool_call_id": "m1", "is_approved": True}
        ]
        [told] = given(session, line("mcp_tool_call", mcp_tool_call={**call, "state": "failure"}))
        assert isinstance(told, ServerTool)
        assert told.stage == "failed"
        status = {"integrations": [{"integration_id": "i1", "is_connected": True, "tool_count": 2}]}
        [told] = given(session, line("mcp_connection_status", mcp_connection_status=status))
        assert told == ServerTool("listed", "i1", status["integrations"][0])


class TestRest:
    def test_a_ping_is_answered(self):
        assert sent(ready_session().receive(line("ping", ping_event={"event_id": 7, "ping_ms": None}))) == [
            {"type": "pong", "event_id": 7}
        ]

    def test_events_that_only_tell_something_are_passed_on(self):
        outputs = ready_session().receive(line("vad_score", vad_score_event={"vad_score": 0.9}))
        assert outputs == [ServerEvent("vad_score", {"vad_score": 0.9})]
        assert ready_session().receive(line("guardrail_triggered")) == [
            ServerEvent("guardrail_triggered", {})
        ]

    @pytest.mark.parametrize(
        "message", [b"{", b"[]", b'{"type": "audio"}', b'{"type": "new_one"}', b'{"type": 7}', b"\xff"]
    )
    def test_what_is_not_understood_is_told_once_and_harms_nothing(self, message):
        session = ready_session()
        [told] = session.receive(message)
        assert isinstance(told, Oddity)
        assert session.receive(message) == []
        assert names(given(session, agent_says("Hi.", 1)))[0] == "ResponseStarted"

    @pytest.mark.parametrize(
        ("error_type", "message", "fatal", "kind"),
        [
            ("override_error", "Override for field 'prompt' is not allowed", True, "settings"),
            ("missing_dynamic_variable", "Missing: name", True, "settings"),
            (None, "This request exceeds your quota limit.", True, "quota"),
            ("llm_timeout", "slow", False, "server"),
            ("asr_transcription_error", "?", False, "server"),
            ("never_heard_of", "?", False, "server"),
        ],
    )
    def test_p15_fatal_errors_and_others_are_told_apart_by_a_table(self, error_type, message, fatal, kind):
        [failure] = ready_session().receive(failed(error_type, message))
        assert isinstance(failure, Failure)
        assert (failure.fatal, failure.kind) == (fatal, kind)
        # What to do about an override that is refused is said behind the server's words.
        assert failure.message.startswith(message)
        assert ("security settings" in failure.message) == (error_type == "override_error")

    def test_an_error_with_flat_fields_is_understood(self):
        text = "received 1002 (protocol error) This request exceeds your quota limit."
        [failure] = ready_session().receive(line("error", message=text))
        assert isinstance(failure, Failure)
        assert (failure.fatal, failure.kind) == (True, "quota")

    def test_the_longest_duration_is_no_error(self):
        assert ready_session().receive(failed("max_duration_exceeded", "600 seconds", 1000)) == []

    def test_what_the_api_cannot_do_is_said_once(self):
        session = ready_session()
        given(session, agent_says("Hi.", 1), audio(2, is_final=True))
        for ask in (
            session.commit,
            session.clear_audio,
            lambda: session.restart_turn(300),
            lambda: session.add_image("data:image/png;base64,AA=="),
            session.create_response,
            lambda: session.create_response(instructions="Say hi"),
            lambda: session.update({"tools": []}),
            lambda: session.update({"tool_choice": "none"}),
        ):
            [failure] = ask()
            assert isinstance(failure, Failure)
            assert not failure.fatal
            assert ask() == []
        [answer] = session.retrieve("item_1")
        assert isinstance(answer, ItemRetrieved)
        assert answer.item is None

    def test_further_messages(self):
        session = ready_session()
        assert sent(session.user_activity()) == [{"type": "user_activity"}]
        assert sent(session.feedback(3, "like")) == [{"type": "feedback", "event_id": 3, "score": "like"}]
        assert sent(session.contextual_update("Cart: 2", "cart")) == [
            {"type": "contextual_update", "text": "Cart: 2", "context_id": "cart"}
        ]
        session.contextual_update("Cart: 3", "cart")
        assert said(session) == [("system", "Cart: 3")]
        [message] = sent(session.files("Look", ["f1"]))
        assert message["file"] == {"type": "file_input", "file_id": "f1"}
        assert sent(session.add_message("assistant", "I am here."))[0]["type"] == "contextual_update"


class TestSettings:
    def test_further_instructions_are_told(self):
        session = ready_session()
        [update] = sent(session.update({"instructions": "Speak Spanish."}))
        assert update["type"] == "contextual_update"
        assert "Speak Spanish." in update["text"]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"voice": "v2"}, "overrides.tts.voice_id"),
            ({"instructions": "Brief.", "language": "es"}, "overrides.agent.language"),
            ({"dynamic_variables": {"a": 1}}, "dynamic_variables.a"),
            ({"no_such": 1}, "no_such"),
            ({"overrides": {"tts": {"stability": 2}}}, "overrides.tts.stability"),
            ({"model": "x"}, "model"),
        ],
    )
    def test_other_changes_are_refused_by_name_and_nothing_goes_out(self, changes, field):
        session = ready_session()
        [failure] = session.update(changes)
        assert isinstance(failure, Failure)
        assert (failure.field, failure.fatal) == (field, False)
        assert session.settings == ConversationSettings()

    def test_what_it_has_already_is_no_change(self):
        session = ready_session(ConversationSettings(overrides=Overrides(tts=TTSOverride(voice_id="v1"))))
        assert session.update({"voice": "v1"}) == []

    def test_with_restart_they_wait_for_a_new_conversation(self):
        session = ready_session(restart_on_update=True)
        assert session.update({"voice": "v2", "instructions": "Brief."}) == []
        assert session.needs_restart
        session.closed()
        [first] = sent(session.open())
        assert first["conversation_config_override"] == {
            "tts": {"voice_id": "v2"},
            "agent": {"prompt": {"prompt": "Brief."}},
        }
        assert not session.needs_restart


class TestResuming:
    def test_p4_a_new_conversation_is_told_the_old_one_and_does_not_greet(self):
        session = ready_session()
        given(session, agent_says("Welcome!", 1), audio(2, is_final=True))
        given(session, user_says("hello", 3), agent_says("Hi.", 4), audio(5, is_final=True))
        session.closed()
        session.open()
        outputs = session.receive(metadata(conversation_id="conv_2"))
        assert happened(outputs)[0] == SessionReady("conv_2", is_resumed=True)
        [update] = sent(outputs)
        assert update["text"].splitlines()[1:] == [
            "You said: Welcome!",
            "The user said: hello",
            "You said: Hi.",
        ]
        assert "do not greet" in update["text"]
        assert (
            given(session, audio(1, is_final=False), agent_says("Welcome!", 2), audio(3, is_final=True)) == []
        )
        assert names(given(session, user_says("and now", 4), agent_says("Now this.", 5), audio(6)))[-4:] == [
            "ResponseStarted",
            "BotTranscript",
            "ItemCreated",
            "AudioChunk",
        ]

    def test_another_first_reply_than_the_greeting_is_let_out_with_its_sound(self):
        session = ready_session()
        given(session, agent_says("Welcome!", 1), audio(2, is_final=True))
        session.closed()
        session.open()
        session.receive(metadata())
        assert session.receive(audio(1, is_final=False)) == []
        outputs = given(session, agent_says("Where were we?", 2))
        assert names(outputs) == ["ResponseStarted", "AudioChunk", "BotTranscript", "ItemCreated"]

    def test_a_first_message_that_was_overridden_is_overridden_away(self):
        settings = ConversationSettings(overrides=Overrides(agent=AgentOverride(first_message="Hi!")))
        session = ready_session(settings)
        given(session, agent_says("Hi!", 1))
        session.closed()
        [first] = sent(session.open())
        assert first["conversation_config_override"] == {"agent": {"first_message": ""}}

    def test_a_turn_without_an_answer_is_said_again(self):
        session = ready_session()
        given(session, user_says("what is new", 1))
        assert session.closed() == []
        session.open()
        update, message = sent(session.receive(metadata()))
        assert "what is new" not in update["text"]
        assert message == {"type": "user_message", "text": "what is new"}

    def test_an_answer_that_broke_off_is_closed_and_taken_up_again(self):
        session = ready_session()
        given(session, user_says("tell me", 1), agent_says("Once upon a time.", 2), audio(3, 500))
        [finished] = session.closed()
        assert isinstance(finished, ResponseFinished)
        assert finished.status == "failed"
        session.open()
        _, message = sent(session.receive(metadata()))
        assert "Go on" in message["text"]

    def test_p6_a_function_that_was_called_before_tells_its_result_and_then_the_turn_is_answered(self):
        session = ready_session()
        given(session, user_says("weather", 1), tool_call("c1", "get_weather", 2))
        session.closed()
        session.open()
        assert [one["type"] for one in sent(session.receive(metadata()))] == ["contextual_update"]
        update, message = sent(session.send_tool_result("c1", "clear"))
        assert update["text"] == "get_weather, which you called before, gave: clear"
        assert message == {"type": "user_message", "text": "weather"}

    def test_speech_that_had_begun_is_said_again(self):
        session = ready_session()
        session.append_audio(b"\1\0" * 16000)
        given(session, user_may_say("I", 1))
        session.append_audio(b"\1\0" * 16000)
        session.closed()
        session.append_audio(b"\2\0" * 1600)
        session.open()
        outputs = sent(session.receive(metadata()))
        chunks = [base64.b64decode(one["user_audio_chunk"]) for one in outputs if "user_audio_chunk" in one]
        assert b"".join(chunks) == b"\1\0" * 32000 + b"\2\0" * 1600

    def test_a_reset_forgets_the_conversation(self):
        session = ready_session()
        given(session, agent_says("Welcome!", 1), audio(2, is_final=True), user_says("hello", 3))
        session.reset()
        session.open()
        outputs = session.receive(metadata())
        assert sent(outputs) == []
        assert happened(outputs)[0] == SessionReady("conv_1")
        assert names(given(session, agent_says("Welcome!", 1)))[0] == "ResponseStarted"

    def test_a_connection_that_never_began_changes_nothing(self):
        session = ElevenLabsConvAISession()
        session.open()
        assert session.closed() == []
        session.open()
        assert happened(session.receive(metadata()))[0] == SessionReady("conv_1")


def test_the_messages_are_json_texts():
    for output in ready_session().append_audio(bytes(640)):
        assert json.loads(output.message)  # type: ignore[union-attr]


def test_response_started_comes_after_the_turn_ended():
    outputs = given(ready_session(), user_says("a", 1), agent_says("b", 2))
    kinds = [type(one) for one in outputs if isinstance(one, UserTranscript | ResponseStarted)]
    assert kinds == [UserTranscript, ResponseStarted]
