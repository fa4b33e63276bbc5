"""What a listener hears, with times passed in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.transports.answer_watch import AnswerWatch
from voicepipe.transports.listener import Cut, Listener

RATE = 8000


def sound(ms: int, value: int = 1) -> bytes:
    return np.full(RATE * ms // 1000, value, np.int16).tobytes()


def runs(track: bytes) -> list[tuple[int, float]]:
    """The track as values with how long each lasts, in milliseconds."""
    found: list[tuple[int, float]] = []
    for value in np.frombuffer(track, np.int16):
        if found and found[-1][0] == value:
            found[-1] = (value, found[-1][1] + 1000 / RATE)
        else:
            found.append((value, 1000 / RATE))
    return [(int(value), round(ms, 3)) for value, ms in found]


class TestListener:
    def test_sound_plays_from_when_it_arrives_and_silence_before_and_after_it(self):
        listener = Listener(RATE, start_ms=1000)
        track = listener.arrived("r1", sound(100), now_ms=1250) + listener.track_until(1500)
        assert runs(track) == [(0, 250), (1, 100), (0, 150)]

    def test_what_arrives_while_another_sound_plays_waits_for_its_end(self):
        listener = Listener(RATE, start_ms=0)
        track = listener.arrived("r1", sound(100, 1), 0) + listener.arrived("r2", sound(100, 2), 40)
        assert listener.remaining_ms(40) == 160
        assert runs(track + listener.track_until(300)) == [(1, 100), (2, 100), (0, 100)]

    def test_a_cut_drops_what_was_not_played_and_says_how_much_was(self):
        listener = Listener(RATE, start_ms=0)
        listener.arrived("r1", sound(500), 0)
        listener.arrived("r2", sound(500), 0)
        track, cuts = listener.cut(123)
        assert cuts == [Cut("r1", 123.0, 123), Cut("r2", 0.0, 123)]
        assert runs(track + listener.track_until(200)) == [(1, 123), (0, 77)]
        assert listener.remaining_ms(200) == 0

    def test_a_response_that_was_played_is_not_cut(self):
        listener = Listener(RATE, start_ms=0)
        listener.arrived("r1", sound(100), 0)
        assert listener.cut(200)[1] == []
        assert listener.heard_ms("r1") == 100

    @given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=20))
    def test_the_track_has_no_gap_and_every_sound_is_in_it_once(self, steps):
        listener, track, now_ms, sent_ms = Listener(RATE, 0), b"", 0, 0
        for length_ms, pause_ms in steps:
            track += listener.arrived("r", sound(length_ms), now_ms)
            sent_ms += length_ms
            now_ms += pause_ms
        end_ms = now_ms + sent_ms
        track += listener.track_until(end_ms)
        assert len(track) == 2 * RATE * end_ms // 1000
        assert np.count_nonzero(np.frombuffer(track, np.int16)) == RATE * sent_ms // 1000


class TestAnswerWatch:
    def answered(self) -> AnswerWatch:
        watch = AnswerWatch(linger_ms=100)
        watch.question_ended(0)
        watch.user_stopped(10)
        watch.response_started(20)
        watch.bot_started(20)
        watch.response_ended(30)
        return watch

    def test_without_an_answer_it_is_not_over(self):
        watch = AnswerWatch(linger_ms=100)
        watch.question_ended(0)
        assert not watch.is_over(10_000)

    def test_it_is_over_when_the_bot_has_been_quiet_for_long_enough(self):
        watch = self.answered()
        assert not watch.is_over(5000)
        watch.bot_stopped(6000)
        assert not watch.is_over(6050)
        assert watch.is_over(6100)

    def test_while_a_function_runs_and_until_its_result_is_spoken_to_it_is_not_over(self):
        watch = self.answered()
        watch.call_started("call_1", 40)
        watch.bot_stopped(50)
        assert not watch.is_over(5000)
        watch.call_ended("call_1", 5000, answered=True)
        assert not watch.is_over(9000)
        watch.response_started(9000)
        watch.response_ended(9100)
        assert watch.is_over(9200)

    def test_a_result_nobody_speaks_to_is_not_waited_for(self):
        watch = self.answered()
        watch.call_started("call_1", 40)
        watch.call_ended("call_1", 50, answered=False)
        watch.bot_stopped(60)
        assert watch.is_over(160)

    def test_it_knows_how_long_the_bot_has_been_speaking(self):
        watch = self.answered()
        assert not watch.bot_spoke_for(100, 119)
        assert watch.bot_spoke_for(100, 120)
        watch.bot_stopped(130)
        assert not watch.bot_spoke_for(100, 500)
