"""`idle_timeout_ms`: the model speaks up when the user stays silent for that long after an answer was played."""

from __future__ import annotations

import pytest

from tests.support.ga_session import GASession, of, the, types
from tests.support.tones import spoken
from voicepipe.local.brain import Message

TEXT = "Is there anything else?"
PLAYED_MS = len(spoken(TEXT).pcm) / 48
TIMEOUT_MS = 6000
TRIGGERED = "input_audio_buffer.timeout_triggered"
AFTER_IT = [
    TRIGGERED,
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
]


def asked(**changes: object) -> GASession:
    """A session that has had an answer, at the time 1000."""
    session = GASession()
    session.detect(idle_timeout_ms=TIMEOUT_MS, **changes)
    session.now_ms = 1000
    session.respond()
    session.answer(TEXT)
    return session


def wakes(session: GASession) -> float | None:
    return session.session.wakes_at_ms


class TestWhenItIsDue:
    def test_it_is_counted_from_the_end_of_the_answers_playback(self):
        assert wakes(asked()) == pytest.approx(1000 + PLAYED_MS + TIMEOUT_MS)

    def test_not_a_moment_before(self):
        session = asked()
        assert session.wake(1000 + PLAYED_MS + TIMEOUT_MS - 1) == []
        assert types(session.wake(1000 + PLAYED_MS + TIMEOUT_MS)) == AFTER_IT

    def test_without_it_there_is_nothing_to_wait_for(self):
        session = GASession()
        session.respond()
        session.answer(TEXT)
        assert wakes(session) is None

    def test_before_the_first_answer_there_is_nothing_to_wait_for(self):
        session = GASession()
        session.detect(idle_timeout_ms=TIMEOUT_MS)
        assert wakes(session) is None
        assert session.wake(1e9) == []

    def test_a_text_answer_takes_no_time_to_play(self):
        session = GASession()
        session.detect(idle_timeout_ms=TIMEOUT_MS)
        session.respond(output_modalities=["text"])
        session.answer(TEXT)
        assert wakes(session) == TIMEOUT_MS


class TestWhatItDoes:
    def test_the_silence_is_committed_and_answered(self):
        session = asked()
        session.silence(400)
        events = session.wake(20_000)
        item_id = events[0]["item_id"]
        assert [events[1]["item_id"], events[2]["item"]["id"]] == [item_id] * 2
        assert (events[0]["audio_start_ms"], events[0]["audio_end_ms"]) == (0, 400)
        turns = session.answers[0].conversation.turns
        assert turns == [Message("assistant", TEXT), Message("user", "")]

    def test_also_if_the_client_sends_no_sound_at_all(self):
        session = asked()
        assert types(session.wake(20_000)) == AFTER_IT

    def test_after_its_answer_it_is_counted_anew(self):
        session = asked()
        session.wake(20_000)
        assert wakes(session) is None
        session.answer(TEXT)
        assert wakes(session) == pytest.approx(20_000 + PLAYED_MS + TIMEOUT_MS)


class TestWhatPreventsIt:
    def test_the_user_speaks(self):
        session = asked()
        session.speak("hello")
        assert wakes(session) is None
        assert session.wake(1e9) == []

    def test_another_response_begins(self):
        session = asked()
        session.respond()
        assert wakes(session) is None

    def test_it_is_switched_off(self):
        session = asked()
        session.detect(idle_timeout_ms=None)
        assert session.wake(1e9) == []

    def test_turn_detection_is_switched_off(self):
        session = asked()
        session.update_input(turn_detection=None)
        assert session.wake(1e9) == []

    def test_the_answer_was_cut_by_the_user_who_still_speaks(self):
        session = GASession()
        session.detect(idle_timeout_ms=TIMEOUT_MS)
        session.respond()
        session.advance(session.begin(TEXT))
        session.speak("well you see")
        assert wakes(session) is None

    def test_what_the_user_said_is_not_understood_yet(self):
        session = asked(create_response=False)
        session.speak("hello")
        session.silence()
        assert wakes(session) is None


class TestOutOfBandResponses:
    def test_they_neither_start_the_count(self):
        session = GASession()
        session.detect(idle_timeout_ms=TIMEOUT_MS)
        session.respond(conversation="none")
        session.answer(TEXT)
        assert wakes(session) is None

    def test_nor_stop_it(self):
        session = asked()
        due = wakes(session)
        session.respond(conversation="none")
        assert wakes(session) == due
        session.answer(TEXT)
        assert wakes(session) == due
        assert len(of(session.wake(due), "response.created")) == 1


def test_the_whole_thing_is_an_event_that_names_its_item():
    session = asked()
    assert the(session.wake(20_000), TRIGGERED)["item_id"].startswith("item_")
