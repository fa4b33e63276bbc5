"""Server VAD: where turns begin and end, and what the server does about them by itself."""

from __future__ import annotations

import pytest

from tests.support.ga_session import GASession, of, one, refusal, the, types
from tests.support.tones import spoken
from voicepipe.local.brain import Message

WINDOW_MS = 32
STARTED, STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
TURN = [
    STARTED,
    STOPPED,
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]


def lasts_ms(text: str) -> float:
    return len(spoken(text).pcm) / 48


class TestATurn:
    def test_in_the_order_of_the_api(self):
        session = GASession()
        events = session.say("hello")
        assert types(events) == [*TURN, "response.created"]
        item_id = events[0]["item_id"]
        assert [events[1]["item_id"], events[2]["item_id"], events[3]["item"]["id"]] == [item_id] * 3
        assert session.answers[0].conversation.turns == [Message("user", "hello")]

    def test_it_begins_the_padding_before_the_speech(self):
        session = GASession()
        session.silence(1000)
        started = the(session.say("good morning"), STARTED)
        assert started["audio_start_ms"] == pytest.approx(1000 - 300, abs=WINDOW_MS)

    def test_its_end_includes_the_silence(self):
        session = GASession()
        session.silence(1000)
        stopped = the(session.say("good morning"), STOPPED)
        end_ms = 1000 + lasts_ms("good morning") + 200
        assert stopped["audio_end_ms"] == pytest.approx(end_ms, abs=2 * WINDOW_MS)

    def test_speech_at_once_begins_at_zero(self):
        assert the(GASession().say("good morning"), STARTED)["audio_start_ms"] == 0

    def test_times_go_on_counting_from_the_first_byte_of_the_session(self):
        session = GASession()
        first = session.say("hello", 1000)
        second = session.say("again", 1000)
        offset = the(second, STARTED)["audio_start_ms"] - the(first, STARTED)["audio_start_ms"]
        # The first one has no room for its padding.
        assert offset == pytest.approx(lasts_ms("hello") + 1000 - 300, abs=WINDOW_MS)

    @pytest.mark.parametrize("padding_ms", [0, 100, 500])
    def test_the_padding_can_be_set(self, padding_ms):
        session = GASession()
        session.detect(prefix_padding_ms=padding_ms)
        session.silence(1000)
        started = the(session.say("good morning"), STARTED)
        assert started["audio_start_ms"] == pytest.approx(1000 - padding_ms, abs=WINDOW_MS)

    @pytest.mark.parametrize("silence_ms", [64, 500, 900])
    def test_the_silence_can_be_set(self, silence_ms):
        session = GASession()
        session.detect(silence_duration_ms=silence_ms)
        session.silence(1000)
        session.speak("good morning")
        assert session.silence(silence_ms - 2 * WINDOW_MS) == [] or silence_ms == 2 * WINDOW_MS
        stopped = the(session.silence(3 * WINDOW_MS + 20), STOPPED)
        end_ms = 1000 + lasts_ms("good morning") + silence_ms
        assert stopped["audio_end_ms"] == pytest.approx(end_ms, abs=2 * WINDOW_MS)

    def test_a_pause_that_is_shorter_does_not_end_it(self):
        session = GASession()
        session.detect(silence_duration_ms=500)
        session.speak("good")
        assert session.silence(300) == []
        assert session.speak("morning") == []
        session.silence(600)
        session.listen()
        assert session.answers[0].conversation.turns == [Message("user", "good morning")]

    def test_a_click_is_no_speech(self):
        session = GASession()
        session.silence(300)
        assert session.append(spoken("a").pcm[: 48 * 10]) == []
        assert session.silence(600) == []

    def test_silence_is_no_turn(self):
        session = GASession()
        assert session.silence(5000) == []

    def test_what_is_committed_is_the_turn_and_nothing_around_it(self):
        session = GASession()
        session.silence(3000)
        session.say("hello", 2000)
        part = session.retrieve(the(session.events, "input_audio_buffer.committed")["item_id"])["content"][0]
        sound_ms = len(part["audio"]) * 3 / 4 / 48
        assert sound_ms == pytest.approx(300 + lasts_ms("hello") + 200, abs=3 * WINDOW_MS)


class TestSwitchedOff:
    def test_nothing_is_found(self):
        session = GASession()
        session.update_input(turn_detection=None)
        assert session.say("hello", 1000) == []

    def test_in_the_midst_of_a_turn_it_is_forgotten_but_its_sound_kept(self):
        session = GASession()
        session.speak("good")
        session.update_input(turn_detection=None)
        assert session.silence(1000) == []
        session.send("input_audio_buffer.commit")
        session.listen()
        session.respond()
        assert session.answers[0].conversation.turns == [Message("user", "good")]

    def test_switched_on_again_the_next_words_are_a_turn(self):
        session = GASession()
        session.update_input(turn_detection=None)
        session.say("hello", 1000)
        session.detect()
        assert types(session.say("goodbye")) == [*TURN, "response.created"]


class TestCreateResponse:
    def test_without_it_the_turn_is_committed_and_the_client_asks(self):
        session = GASession()
        session.detect(create_response=False)
        assert types(session.say("hello")) == TURN
        assert not session.answers
        assert types(session.respond()) == ["response.created"]
        assert session.answers[0].conversation.turns == [Message("user", "hello")]

    def test_without_it_a_response_is_still_interrupted(self):
        session = GASession()
        session.detect(create_response=False)
        session.respond()
        session.advance(session.begin("One two three four."))
        done = the(session.say("wait"), "response.done")["response"]
        assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")

    def test_a_client_that_asks_before_the_words_are_known_gets_its_answer_then(self):
        session = GASession()
        session.detect(create_response=False)
        session.speak("hello")
        session.silence()
        assert types(session.respond()) == ["response.created"]
        assert not session.answers
        session.listen()
        assert session.answers[0].conversation.turns == [Message("user", "hello")]


class TestInterruptResponse:
    def test_without_it_the_answer_goes_on_and_the_next_one_is_an_error(self):
        session = GASession()
        session.detect(interrupt_response=False)
        session.respond()
        response = session.begin("One two three four.")
        session.advance(response)
        events = session.say("wait")
        assert types(events) == [*TURN, "error"]
        error = events[-1]
        assert refusal(error) == ("conversation_already_has_active_response", None)
        assert error["error"]["event_id"] is None
        assert response.id in error["error"]["message"]
        assert the(session.finish(response), "response.done")["response"]["status"] == "completed"

    def test_without_it_the_answer_comes_if_the_other_one_is_over_by_then(self):
        session = GASession()
        session.detect(interrupt_response=False)
        session.respond()
        response = session.begin("One two three four.")
        session.speak("wait")
        session.finish(response)
        session.silence()
        assert types(session.listen()) == ["response.created"]

    def test_with_neither_turns_are_told_and_nothing_else_happens(self):
        session = GASession()
        session.detect(interrupt_response=False, create_response=False)
        session.respond()
        session.advance(session.begin("One two three four."))
        assert types(session.say("wait")) == TURN
        assert not session.stopped


class TestManyTurns:
    def test_a_turn_that_begins_before_the_last_one_is_understood_is_answered_with_it(self):
        session = GASession()
        session.speak("good")
        session.silence()
        session.speak("morning")
        session.silence()
        assert types(session.listen()) == ["response.created"]
        turns = one([answer.conversation for answer in session.answers]).turns
        assert turns == [Message("user", "good"), Message("user", "morning")]

    def test_an_answer_is_not_begun_only_to_be_cut_by_words_that_are_under_way(self):
        session = GASession()
        session.speak("good")
        session.silence()
        session.speak("morning")
        assert session.listen() == []
        session.silence()
        assert types(session.listen()) == ["response.created"]
        assert len(of(session.events, "response.created")) == 1
