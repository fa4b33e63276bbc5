"""Transcription of what the user said: its deltas, its end, its cost, and that it may fail."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest

from tests.support.ga_session import GASession, of, the, types

NAME = "conversation.item.input_audio_transcription"
LOGPROBS = ["item.input_audio_transcription.logprobs"]


def transcribing(model: str = "gpt-4o-transcribe", **settings: Any) -> GASession:
    session = GASession()
    audio = {"input": {"transcription": {"model": model}}}
    session.update(audio=audio, **settings)
    return session


def transcripts(session: GASession) -> list[str]:
    return [event["type"] for event in session.events if event["type"].startswith(NAME)]


def test_it_streams_and_then_is_complete_before_the_answer_begins():
    session = transcribing()
    events = session.say("good morning to you")
    assert types(events)[-3:] == [f"{NAME}.delta", f"{NAME}.completed", "response.created"]
    item_id = the(events, "input_audio_buffer.committed")["item_id"]
    deltas, completed = of(events, f"{NAME}.delta"), the(events, f"{NAME}.completed")
    assert [event["delta"] for event in deltas] == ["good", " morning", " to", " you"]
    assert completed["transcript"] == "good morning to you"
    assert {(event["item_id"], event["content_index"]) for event in [*deltas, completed]} == {(item_id, 0)}


def test_the_item_has_the_transcript_from_then_on():
    session = transcribing()
    item_id = the(session.say("good morning"), "input_audio_buffer.committed")["item_id"]
    assert session.retrieve(item_id)["content"][0]["transcript"] == "good morning"


def test_whisper_1_does_not_stream():
    session = transcribing("whisper-1")
    deltas = of(session.say("good morning to you"), f"{NAME}.delta")
    assert [event["delta"] for event in deltas] == ["good morning to you"]


def test_what_the_client_commits_is_transcribed_as_well():
    session = transcribing()
    session.update_input(turn_detection=None)
    session.speak("good morning")
    session.send("input_audio_buffer.commit")
    assert the(session.listen(), f"{NAME}.completed")["transcript"] == "good morning"


def test_sound_without_words_is_complete_with_none():
    session = transcribing()
    session.update_input(turn_detection=None)
    session.silence(500)
    session.send("input_audio_buffer.commit")
    events = session.listen()
    assert types(events) == [f"{NAME}.completed"]
    assert events[0]["transcript"] == ""


@pytest.mark.parametrize("when", ["never", "before", "after"])
def test_without_the_setting_there_is_none(when):
    session = GASession() if when == "never" else transcribing()
    if when == "before":
        session.update_input(transcription=None)
    session.speak("good morning")
    session.silence()
    if when == "after":
        session.update_input(transcription=None)
    session.listen()
    assert transcripts(session) == []
    assert session.answers, "the model hears all the same"


def test_items_that_the_client_creates_are_not_transcribed():
    session = transcribing()
    session.create("user", [{"type": "input_audio", "audio": "AAAA" * 2000}])
    assert session.listen() == []


def test_each_utterance_has_its_own_in_their_order():
    session = transcribing()
    for text in ("good morning", "good evening"):
        session.speak(text)
        session.silence()
    completed = of(session.listen(), f"{NAME}.completed")
    assert [event["transcript"] for event in completed] == ["good morning", "good evening"]
    committed = of(session.events, "input_audio_buffer.committed")
    assert [event["item_id"] for event in completed] == [event["item_id"] for event in committed]


def test_a_failure_is_told_and_the_turn_is_answered_all_the_same():
    session = transcribing()
    session.speak("good morning")
    session.silence()
    events = session.heard(session.hears.pop(), None)
    assert types(events) == [f"{NAME}.failed", "response.created"]
    failed = events[0]
    assert failed["item_id"] == the(session.events, "input_audio_buffer.committed")["item_id"]
    assert failed["content_index"] == 0
    assert set(failed["error"]) == {"type", "code", "message", "param"}
    assert failed["error"]["code"] == "audio_unintelligible"


class TestLogprobs:
    def test_they_are_there_when_they_are_asked_for(self):
        session = transcribing(include=LOGPROBS)
        events = session.say("good morning")
        deltas, completed = of(events, f"{NAME}.delta"), the(events, f"{NAME}.completed")
        assert [event["logprobs"][0]["token"] for event in deltas] == ["good", " morning"]
        assert [one["token"] for one in completed["logprobs"]] == ["good", " morning"]
        for one in completed["logprobs"]:
            assert one["logprob"] <= 0
            assert bytes(one["bytes"]).decode() == one["token"]

    def test_else_they_are_not(self):
        events = transcribing().say("good morning")
        assert all("logprobs" not in event for event in events)

    def test_they_can_be_switched_off_again(self):
        session = transcribing(include=LOGPROBS)
        session.update(include=None)
        assert all("logprobs" not in event for event in session.say("good morning"))


class TestUsage:
    def test_is_counted_in_tokens(self):
        session = transcribing()
        events = session.say("good morning")
        usage = the(events, f"{NAME}.completed")["usage"]
        sound = session.retrieve(the(events, "input_audio_buffer.committed")["item_id"])["content"][0]
        audio_tokens = ceil(len(sound["audio"]) * 3 / 4 / 48 / 100)
        assert usage == {
            "type": "tokens",
            "input_tokens": audio_tokens,
            "output_tokens": 3,
            "total_tokens": audio_tokens + 3,
            "input_token_details": {"text_tokens": 0, "audio_tokens": audio_tokens},
        }

    def test_is_counted_in_seconds_for_whisper_1(self):
        session = transcribing("whisper-1")
        session.update_input(turn_detection=None)
        session.silence(1500)
        session.send("input_audio_buffer.commit")
        assert the(session.listen(), f"{NAME}.completed")["usage"] == {"type": "duration", "seconds": 1.5}
