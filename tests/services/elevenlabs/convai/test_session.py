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
    user_may_say,
    user_says,
)
from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import (
    AudioChunk,
    BotTranscript,
    Failure,
    ItemRetrieved,
    Oddity,
    ResponseFinished,
    ResponseStarted,
    ServerEvent,
    SessionReady,
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

    @pytest.mark.parametrize("text", [None, 5, ["a"]])
    def test_words_that_are_none_are_passed_over_and_break_nothing(self, text):
        session = ready_session()
        told = given(session, user_says("hello", 1), agent_says("Yes.", 2), audio(3))
        odd = (user_may_say, user_says, agent_says)
        told += given(
            session, *(make(text, 4) for make in odd), corrected("Yes.", text, 4), audio(5), complete(6)
        )
        assert names(told) == [
            "UserSpeechStarted",
            "UserSpeechStopped",
            "ItemCreated",
            "UserTranscript",
            "ResponseStarted",
            "BotTranscript",
            "ItemCreated",
            "AudioChunk",
            "Oddity",
            "AudioChunk",
            "ResponseFinished",
        ]
        assert said(session) == [("user", "hello"), ("assistant", "Yes.")]

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


def test_the_messages_are_json_texts():
    for output in ready_session().append_audio(bytes(640)):
        assert json.loads(output.message)  # type: ignore[union-attr]


def test_response_started_comes_after_the_turn_ended():
    outputs = given(ready_session(), user_says("a", 1), agent_says("b", 2))
    kinds = [type(one) for one in outputs if isinstance(one, UserTranscript | ResponseStarted)]
    assert kinds == [UserTranscript, ResponseStarted]
