"""Over ElevenLabs' wire: settings that change, and a conversation that goes on over another connection."""

from __future__ import annotations

import base64

import pytest

from tests.services.elevenlabs.convai.wire_lines import (
    agent_says,
    audio,
    failed,
    given,
    happened,
    metadata,
    names,
    ready_session,
    sent,
    tool_call,
    user_may_say,
    user_says,
)
from voicepipe.realtime.events import (
    Failure,
    ResponseFinished,
    SessionReady,
)
from voicepipe.services.elevenlabs.convai import (
    AgentOverride,
    ConversationSettings,
    ElevenLabsConvAISession,
    Overrides,
    PromptOverride,
    TTSOverride,
)


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
        assert session.update({"language": None, "overrides": {"asr": {}}}) == []

    @pytest.mark.parametrize("none", ["", None])
    def test_that_there_be_no_instructions_cannot_be_told(self, none):
        prompt = AgentOverride(prompt=PromptOverride(prompt="Be brief."))
        session = ready_session(ConversationSettings(overrides=Overrides(agent=prompt)))
        [failure] = session.update({"instructions": none})
        assert isinstance(failure, Failure)
        assert failure.field == "overrides.agent.prompt.prompt"

    def test_what_makes_no_difference_needs_no_new_conversation(self):
        session = ready_session(restart_on_update=True)
        session.update({"voice": None})
        assert not session.needs_restart

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

    @pytest.mark.parametrize("by_event", [True, False])
    def test_p14_a_change_that_is_refused_is_taken_back_and_the_conversation_goes_on(self, by_event):
        session = ready_session(restart_on_update=True)
        session.update({"voice": "v2"})
        session.closed()
        session.open()
        why = "Override for field 'voice_id' is not allowed"
        closing = Failure("settings", why, "1008", fatal=True)
        if by_event:
            [told] = session.receive(failed("override_error", why))
            assert session.refused(closing) is None, "told twice"
        else:
            told = session.refused(closing)
        assert isinstance(told, Failure)
        assert not told.fatal
        assert "goes on with the settings it had" in told.message
        assert session.settings == ConversationSettings()
        session.closed()
        [first] = sent(session.open())
        assert "conversation_config_override" not in first
        # What is refused now, is refused for another reason.
        assert session.refused(closing) == closing

    def test_what_is_refused_at_first_is_fatal(self):
        session = ElevenLabsConvAISession(
            ConversationSettings(overrides=Overrides(tts=TTSOverride(voice_id="v1")))
        )
        session.open()
        [failure] = session.receive(failed("override_error", "not allowed"))
        assert isinstance(failure, Failure)
        assert failure.fatal


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

    @pytest.mark.parametrize("first_message", [None, "Hi there!"])
    def test_what_was_lost_before_a_word_was_said_begins_anew_and_greets(self, first_message):
        agent = AgentOverride(first_message=first_message)
        session = ready_session(ConversationSettings(overrides=Overrides(agent=agent)))
        session.contextual_update("The cart is empty.")
        session.closed()
        [first] = sent(session.open())
        assert (
            first.get("conversation_config_override", {}).get("agent", {}).get("first_message")
            == first_message
        )
        outputs = session.receive(metadata(conversation_id="conv_2"))
        assert happened(outputs)[0] == SessionReady("conv_2", is_resumed=True)
        assert [one["text"] for one in sent(outputs)] == ["The cart is empty."]
        assert "AudioChunk" in names(given(session, agent_says("Hi there!", 1), audio(2)))

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
