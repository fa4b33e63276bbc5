"""Semantic VAD: a finished sentence ends the turn at its pause, an unfinished one is waited on."""

from __future__ import annotations

import pytest

from tests.support.ga_session import GASession, of, the, types
from tests.support.tones import spoken
from voicepipe.local.brain import Message
from voicepipe.local.openai_ga.finished import sounds_finished

STARTED, STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
WINDOW_MS = 32
PAUSE_MS = 300
WAITS_MS = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}


def semantic(**changes: object) -> GASession:
    session = GASession()
    session.detect("semantic_vad", **changes)
    return session


def lasts_ms(text: str) -> float:
    return len(spoken(text).pcm) / 48


@pytest.mark.parametrize(
    "text",
    [
        "What time is it?",
        "hello",
        "Yes.",
        "I want to go home",
        "This is what I came for today",
        "",
        "Twenty five.",
        "That is mine.",
    ],
)
def test_these_sound_finished(text):
    assert sounds_finished(text)


@pytest.mark.parametrize(
    "text",
    [
        "I want to",
        "I want to.",
        "The weather in",
        "Bread, butter and",
        "Well,",
        "My number is 4 7 -",
        "Let me think...",
        "Let me think…",
        "As follows:",
        "um",
        "I'd like a",
        "Because",
    ],
)
def test_these_do_not(text):
    assert not sounds_finished(text)


class TestAFinishedSentence:
    def test_ends_the_turn_as_soon_as_it_is_understood(self):
        session = semantic()
        session.speak("what time is it")
        assert session.silence(PAUSE_MS - 2 * WINDOW_MS) == []
        assert not session.hears
        session.silence(4 * WINDOW_MS)
        assert len(session.hears) == 1
        events = session.listen()
        assert types(events) == [
            STOPPED,
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
        ]
        assert session.answers[0].conversation.turns == [Message("user", "what time is it")]

    def test_is_heard_once(self):
        session = semantic()
        session.speak("what time is it")
        session.silence(400)
        session.listen()
        assert not session.hears
        assert session.silence(10_000) == []

    def test_its_words_are_told_where_transcription_is_on(self):
        session = semantic()
        session.update_input(transcription={"model": "whisper-1"})
        session.speak("what time is it")
        session.silence(400)
        completed = the(session.listen(), "conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == "what time is it"

    def test_without_create_response_it_only_ends_the_turn(self):
        session = semantic(create_response=False)
        session.speak("what time is it")
        session.silence(400)
        assert types(session.listen())[-1] == "conversation.item.done"
        assert not session.answers

    def test_interrupts_as_server_vad_does(self):
        session = semantic()
        session.respond()
        session.advance(session.begin("One two three four."))
        assert the(session.speak("wait"), "response.done")["response"]["status"] == "cancelled"

    def test_without_interrupt_response_the_answer_goes_on(self):
        session = semantic(interrupt_response=False)
        session.respond()
        session.advance(session.begin("One two three four."))
        assert types(session.speak("wait")) == [STARTED]


class TestAnUnfinishedSentence:
    def test_is_waited_on_and_answered_when_it_is_complete(self):
        session = semantic()
        session.speak("I want to")
        session.silence(1000)
        assert session.listen() == []
        session.speak("go home")
        session.silence(400)
        events = session.listen()
        assert types(events)[-1] == "response.created"
        assert session.answers[0].conversation.turns == [Message("user", "I want to go home")]
        assert len(of(session.events, STARTED)) == 1, "it is one turn"

    @pytest.mark.parametrize("eagerness", list(WAITS_MS))
    def test_is_given_up_after_as_long_as_the_eagerness_says(self, eagerness):
        session = semantic(eagerness=eagerness)
        waits_ms = WAITS_MS[eagerness]
        session.speak("I want to")
        session.silence(1000)
        session.listen()
        assert session.silence(waits_ms - 1000 - 2 * WINDOW_MS) == []
        events = session.silence(4 * WINDOW_MS)
        stopped = the(events, STOPPED)
        assert stopped["audio_end_ms"] == pytest.approx(lasts_ms("I want to") + waits_ms, abs=2 * WINDOW_MS)
        assert types(events)[-1] == "response.created"
        assert session.answers[0].conversation.turns == [Message("user", "I want to")]
        assert not session.hears, "it was understood before"

    def test_is_heard_again_if_the_ears_were_still_at_it(self):
        session = semantic(eagerness="high")
        session.speak("I want to")
        session.silence(2100)
        assert len(session.hears) == 2
        assert types(session.listen()) == ["response.created"]
        assert session.answers[0].conversation.turns == [Message("user", "I want to")]


class TestLateWords:
    def test_of_a_pause_after_which_speech_went_on_change_nothing(self):
        session = semantic()
        session.speak("what time is it")
        session.silence(400)
        question = session.hears.pop()
        session.speak("in")
        assert session.heard(question, "what time is it") == []

    def test_of_a_pause_do_not_end_the_next_one(self):
        session = semantic()
        session.speak("what time is it")
        session.silence(400)
        question = session.hears.pop()
        session.speak("in Bern")
        session.silence(100)
        assert session.heard(question, "what time is it") == [], "the words since then would be lost"
        session.silence(300)
        session.listen()
        assert session.answers[0].conversation.turns == [Message("user", "what time is it in Bern")]

    def test_of_a_turn_that_was_cleared_or_committed_are_passed_over(self):
        for type_ in ("input_audio_buffer.clear", "input_audio_buffer.commit"):
            session = semantic()
            session.speak("what time is it")
            session.silence(400)
            question = session.hears.pop()
            session.send(type_)
            assert session.heard(question, "what time is it") == []

    def test_ears_that_fail_end_the_turn(self):
        session = semantic()
        session.speak("what time is it")
        session.silence(400)
        events = session.heard(session.hears.pop(), None)
        assert types(events)[:2] == [STOPPED, "input_audio_buffer.committed"]
