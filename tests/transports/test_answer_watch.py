"""When an answer is over: a plain object, fed with what happens and when."""

from __future__ import annotations

import pytest

from voicepipe.transports.answer_watch import AnswerWatch

LINGER_MS = 800


@pytest.fixture
def watch() -> AnswerWatch:
    watch = AnswerWatch(LINGER_MS)
    watch.question_began(0)
    return watch


def asked(watch: AnswerWatch, until_ms: float) -> None:
    """The caller speaks until then, and the service hears it."""
    watch.user_started(100)
    watch.question_ended(until_ms)
    watch.user_stopped(until_ms + 300)


def answered(watch: AnswerWatch, from_ms: float, until_ms: float) -> None:
    watch.response_started(from_ms)
    watch.bot_started(from_ms)
    watch.response_ended(until_ms - 500)
    watch.bot_stopped(until_ms)


def test_a_question_that_nobody_answers_is_never_over(watch):
    asked(watch, 1000)
    assert not watch.is_over(60_000)
    assert watch.waited_ms(60_000) == 60_000 - 1300


def test_an_answer_is_over_when_it_has_been_played_and_it_was_quiet(watch):
    asked(watch, 1000)
    answered(watch, 1400, 4000)
    assert not watch.is_over(4000 + LINGER_MS - 1)
    assert watch.is_over(4000 + LINGER_MS)


def test_an_answer_is_not_over_while_it_plays_though_all_of_it_has_come(watch):
    asked(watch, 1000)
    watch.response_started(1400)
    watch.bot_started(1400)
    watch.response_ended(1500)
    assert not watch.is_over(60_000)
    assert watch.waited_ms(60_000) == 0


def test_a_long_answer_is_not_waited_for_in_vain(watch):
    asked(watch, 1000)
    watch.response_started(1400)
    watch.bot_started(1400)
    assert watch.waited_ms(100_000) == 0


def test_an_answer_that_came_into_the_silence_at_a_files_end_is_an_answer(watch):
    watch.user_started(100)
    watch.user_stopped(1500)
    answered(watch, 1700, 3000)
    watch.question_ended(5000)
    assert watch.is_over(5000 + LINGER_MS)


def test_what_came_before_a_question_does_not_answer_it(watch):
    asked(watch, 1000)
    answered(watch, 1400, 4000)
    watch.question_began(5000)
    watch.question_ended(6000)
    assert not watch.is_over(60_000)


def test_a_question_with_a_pause_in_it_is_over_after_the_second_answer(watch):
    watch.user_started(100)
    watch.user_stopped(1000)
    watch.response_started(1100)
    watch.bot_started(1150)
    watch.user_started(1400)
    watch.bot_stopped(1400)
    watch.response_ended(1400)
    watch.question_ended(2000)
    assert not watch.is_over(60_000)
    watch.user_stopped(2300)
    assert not watch.is_over(60_000)
    answered(watch, 2500, 4000)
    assert watch.is_over(4000 + LINGER_MS)


def test_the_end_of_a_turn_told_twice_asks_for_one_answer(watch):
    watch.user_started(100)
    watch.user_started(101)
    watch.question_ended(1000)
    watch.user_stopped(1300)
    watch.response_started(1350)
    watch.user_stopped(1351)
    watch.bot_started(1360)
    watch.response_ended(1400)
    watch.bot_stopped(3000)
    assert watch.is_over(3000 + LINGER_MS)


def test_a_service_that_tells_no_turns_is_watched_all_the_same(watch):
    watch.question_ended(1000)
    assert not watch.is_over(1000 + LINGER_MS)
    answered(watch, 1200, 3000)
    assert watch.is_over(3000 + LINGER_MS)


def test_a_turn_that_is_answered_has_ended_though_nobody_said_so(watch):
    watch.user_started(100)
    watch.question_ended(1000)
    answered(watch, 1200, 3000)
    assert watch.is_over(3000 + LINGER_MS)


def test_a_bot_that_only_plays_sound_answers(watch):
    watch.question_ended(1000)
    watch.bot_started(1200)
    watch.bot_stopped(2000)
    assert watch.is_over(2000 + LINGER_MS)


class TestFunctions:
    @pytest.fixture(autouse=True)
    def called(self, watch):
        asked(watch, 1000)
        watch.response_started(1400)
        watch.call_started("a", 1500)
        watch.response_ended(1500)

    def test_a_function_that_runs_holds_the_answer_open(self, watch):
        assert not watch.is_over(60_000)

    def test_a_result_waits_for_its_spoken_answer(self, watch):
        watch.call_ended("a", 2000, answered=True)
        assert not watch.is_over(60_000)
        answered(watch, 2200, 3000)
        assert watch.is_over(3000 + LINGER_MS)

    def test_a_result_that_is_not_spoken_to_ends_it(self, watch):
        watch.call_ended("a", 2000, answered=False)
        assert watch.is_over(2000 + LINGER_MS)

    def test_sound_of_the_response_that_called_does_not_answer_its_result(self, watch):
        watch.response_started(1600)
        watch.call_ended("a", 1700, answered=True)
        watch.bot_started(1800)
        watch.response_ended(1900)
        watch.bot_stopped(2500)
        assert not watch.is_over(60_000)

    def test_the_last_of_several_results_is_waited_for(self, watch):
        watch.call_started("b", 1500)
        watch.call_ended("a", 1600, answered=False)
        assert not watch.is_over(60_000)
        watch.call_ended("b", 1700, answered=False)
        assert watch.is_over(1700 + LINGER_MS)

    def test_giving_up_forgets_it(self, watch):
        watch.give_up(30_000)
        watch.question_began(30_000)
        watch.question_ended(31_000)
        answered(watch, 31_500, 33_000)
        assert watch.is_over(33_000 + LINGER_MS)


def test_how_long_the_bot_has_been_heard(watch):
    assert not watch.bot_spoke_for(0, 1000)
    watch.bot_started(1000)
    assert not watch.bot_spoke_for(500, 1499)
    assert watch.bot_spoke_for(500, 1500)
    watch.bot_stopped(1600)
    assert not watch.bot_spoke_for(500, 1700)
