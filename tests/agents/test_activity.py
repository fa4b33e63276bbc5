"""States found from what goes by, without a loop."""

from __future__ import annotations

import pytest

from voicepipe.agents.activity import Activity


@pytest.fixture
def activity() -> Activity:
    activity = Activity()
    activity.is_started = True
    return activity


def test_before_the_start_the_agent_is_initializing():
    assert Activity().agent_state == "initializing"


def test_an_answer_is_thought_about_from_the_turns_end_until_it_is_heard(activity):
    activity.user_started()
    assert activity.agent_state == "listening"
    activity.user_stopped()
    assert activity.agent_state == "thinking"
    activity.response_started()
    activity.sound_came()
    activity.response_ended()
    assert activity.agent_state == "thinking"
    activity.heard()
    assert activity.agent_state == "speaking"
    activity.fell_silent()
    assert activity.agent_state == "listening"


def test_a_turn_that_nobody_answers_is_not_thought_about(activity):
    activity.user_started()
    activity.user_stopped(answered=False)
    assert activity.agent_state == "listening"


def test_a_turns_end_that_is_told_twice_counts_once(activity):
    activity.user_started()
    activity.user_stopped()
    activity.response_started()
    activity.response_ended()
    activity.user_stopped()
    assert activity.agent_state == "listening"


def test_a_response_that_was_cut_is_no_thought_but_is_not_over_before_it_ends(activity):
    activity.response_started()
    activity.sound_came()
    activity.heard()
    activity.interrupted()
    activity.fell_silent()
    assert activity.agent_state == "listening"
    assert activity.is_uttering
    activity.response_ended()
    assert not activity.is_uttering


def test_a_function_is_thought_about_and_its_answer_belongs_to_what_led_to_it(activity):
    mark = activity.mark()
    activity.response_started()
    activity.call_started("a")
    activity.response_ended()
    assert activity.agent_state == "thinking"
    assert not activity.is_over(mark)
    activity.call_ended("a", answered=True)
    assert not activity.is_over(mark)
    activity.response_started()
    activity.response_ended()
    assert activity.is_over(mark)


def test_what_is_said_while_a_function_runs_does_not_wait_for_it(activity):
    activity.call_started("a")
    mark = activity.mark()
    activity.response_started()
    activity.response_ended()
    assert activity.is_over(mark)


def test_words_that_another_service_speaks_are_not_over_before_they_are_heard(activity):
    activity.voice_apart = True
    mark = activity.mark()
    activity.response_started()
    activity.words()
    activity.response_ended()
    assert not activity.is_over(mark)
    activity.sound_came()
    activity.heard()
    activity.fell_silent()
    assert activity.is_over(mark)
    assert activity.begun == 1


def test_words_that_did_not_come_from_a_model_are_an_utterance(activity):
    mark = activity.mark()
    activity.sound_came()
    assert activity.has_begun(mark)
