"""Answers of the GA wire: cut by a barge-in, and one at a time."""

from __future__ import annotations

import pytest

from tests.services.openai.realtime.test_session import heard
from tests.services.openai.realtime.wire_lines import (
    arguments_done,
    audio_delta,
    error,
    happened,
    item_added,
    item_done,
    ready_session,
    response_created,
    response_done,
    sent,
    speech_started,
    speech_stopped,
    words_delta,
)
from voicepipe.realtime.events import (
    AudioChunk,
    Failure,
    ResponseFinished,
)


@pytest.mark.usefixtures("both_wires")
class TestBargeIn:
    def test_history_is_cut_at_what_was_heard_and_the_server_cancels_by_itself(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(1000))
        session.receive(speech_started())
        [truncate] = sent(session.interrupt([heard(412.9, 1000)]))
        assert truncate["type"] == "conversation.item.truncate"
        assert (truncate["item_id"], truncate["content_index"], truncate["audio_end_ms"]) == (
            "item_b1",
            0,
            412,
        )

    def test_p1_a_truncation_never_names_more_than_arrived(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(300))
        session.receive(speech_started())
        [truncate] = sent(session.interrupt([heard(2000, 2000)]))
        assert truncate["audio_end_ms"] == 300

    def test_p1_counters_are_per_item(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(500, item_id="item_b1"))
        session.receive(item_done("item_b1"))
        session.receive(audio_delta(400, item_id="item_b2"))
        session.receive(speech_started())
        messages = sent(session.interrupt([heard(500, 500, "item_b1"), heard(150, 400, "item_b2")]))
        assert [(m["item_id"], m["audio_end_ms"]) for m in messages] == [("item_b2", 150)]

    def test_p1_a_refused_truncation_is_told_and_the_session_goes_on(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(500))
        session.receive(speech_started())
        [truncate] = sent(session.interrupt([heard(100, 500)]))
        refusal = "Audio content of 0ms is already shorter than 100ms"
        outputs = session.receive(error("invalid_value", truncate["event_id"], message=refusal))
        assert outputs == [Failure("request", refusal, "invalid_value")]
        session.receive(response_done(status="cancelled"))
        session.receive(speech_stopped())
        session.receive(response_created("resp_2"))
        assert session.receive(audio_delta(20, "resp_2", "item_b2")) == [
            AudioChunk("resp_2", "item_b2", bytes(960))
        ]

    def test_p2_an_item_nobody_heard_is_deleted_after_its_response_and_never_truncated_at_0(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(200))
        session.receive(speech_started())
        assert session.interrupt([heard(0, 200)]) == []
        done = session.receive(response_done(status="cancelled", status_details={"reason": "turn_detected"}))
        assert happened(done) == [ResponseFinished("resp_1", "cancelled", "turn_detected")]
        assert [(m["type"], m["item_id"]) for m in sent(done)] == [("conversation.item.delete", "item_b1")]

    def test_p2_nothing_is_said_of_a_response_without_sound_yet(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(speech_started())
        assert session.interrupt([]) == []

    def test_an_item_heard_to_its_end_is_left_as_it_is(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(200))
        session.receive(item_done())
        session.receive(response_done())
        session.receive(speech_started())
        assert session.interrupt([heard(200, 200)]) == []

    def test_sound_still_playing_after_its_response_ended_is_truncated_without_a_cancel(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(3000))
        session.receive(item_done())
        session.receive(response_done())
        session.receive(speech_started())
        [truncate] = sent(session.interrupt([heard(700, 3000)]))
        assert (truncate["type"], truncate["audio_end_ms"]) == ("conversation.item.truncate", 700)

    def test_an_interruption_without_speech_cancels_the_response(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(500))
        types = [(m["type"], m.get("response_id")) for m in sent(session.interrupt([heard(100, 500)]))]
        assert types == [("response.cancel", "resp_1"), ("conversation.item.truncate", None)]

    def test_a_response_interrupted_before_it_began_is_cancelled_by_id_when_it_does(self):
        session = ready_session()
        session.create_response()
        assert session.interrupt([]) == []
        outputs = session.receive(response_created("resp_7"))
        assert [(m["type"], m["response_id"]) for m in sent(outputs)] == [("response.cancel", "resp_7")]
        assert session.receive(audio_delta(20, "resp_7")) == []

    def test_p18_late_sound_and_words_of_a_cut_response_are_dropped(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(200))
        session.receive(speech_started())
        session.interrupt([heard(50, 200)])
        assert session.receive(audio_delta(200)) == []
        assert session.receive(words_delta("late")) == []
        session.receive(response_done(status="cancelled"))
        assert session.receive(audio_delta(200)) == []
        assert session.passed_over["sound after its response's end"] == 2


@pytest.mark.usefixtures("both_wires")
class TestOneResponseAtATime:
    def test_p5_a_second_response_waits_for_the_first_to_end_and_runs_once(self):
        session = ready_session()
        assert [m["type"] for m in sent(session.create_response())] == ["response.create"]
        assert session.create_response() == []
        session.receive(response_created())
        assert session.create_response() == []
        assert [m["type"] for m in sent(session.receive(response_done()))] == ["response.create"]
        session.receive(response_created("resp_2"))
        assert sent(session.receive(response_done("resp_2"))) == []

    def test_p5_a_response_refused_because_another_runs_is_asked_for_again_when_that_ends(self):
        session = ready_session()
        [ask] = sent(session.create_response())
        busy = error("conversation_already_has_active_response", ask["event_id"])
        assert session.receive(busy) == []
        again = sent(session.receive(response_done("resp_unseen")))
        assert [m["type"] for m in again] == ["response.create"]

    def test_p5_a_response_that_is_refused_takes_no_other_with_it(self):
        session = ready_session()
        [ask] = sent(session.create_response(instructions="A"))
        session.create_response(instructions="B")
        failure, *_ = outputs = session.receive(error("invalid_value", ask["event_id"], message="No."))
        assert isinstance(failure, Failure)
        assert [message["response"] for message in sent(outputs)] == [{"instructions": "B"}]

    def test_p5_instructions_of_their_own_are_never_merged_with_another_wish(self):
        session = ready_session()
        session.receive(response_created())
        session.create_response(instructions="one")
        session.create_response(instructions="two")
        [one] = sent(session.receive(response_done()))
        session.receive(response_created("resp_2"))
        [two] = sent(session.receive(response_done("resp_2")))
        assert [m["response"]["instructions"] for m in (one, two)] == ["one", "two"]

    def test_while_the_user_speaks_a_wish_waits_and_the_servers_own_answer_covers_it(self):
        session = ready_session()
        session.receive(speech_started())
        assert session.create_response() == []
        session.receive(speech_stopped())
        session.receive(response_created())
        assert sent(session.receive(response_done())) == []

    @pytest.mark.parametrize(
        "detection", [False, {"type": "server_vad", "create_response": False}], ids=["none", "silent"]
    )
    @pytest.mark.parametrize("asks_before", [True, False])
    def test_a_wish_does_not_wait_for_an_answer_that_the_server_was_told_not_to_give(
        self, detection, asks_before
    ):
        session = ready_session()
        session.receive(speech_started())
        if asks_before:
            assert session.create_response() == []
        told = sent(session.update({"audio": {"input": {"turn_detection": detection}}}))
        if not asks_before:
            told += sent(session.create_response())
        assert [message["type"] for message in told] == ["session.update", "response.create"]

    def test_a_result_the_server_had_not_taken_in_when_it_answered_gets_its_own_response(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(arguments_done("call_1", "look", "{}"))
        session.receive(response_done())
        session.receive(speech_started())
        [item] = sent(session.send_tool_result("call_1", "42"))
        session.receive(speech_stopped())
        session.receive(response_created("resp_2"))
        session.receive(item_added(item["item"]["id"]))
        assert [m["type"] for m in sent(session.receive(response_done("resp_2")))] == ["response.create"]

    def test_when_the_servers_own_answer_fails_a_waiting_wish_is_granted(self):
        session = ready_session()
        session.receive(speech_started())
        session.create_response()
        session.receive(speech_stopped())
        outputs = session.receive(error("", message="The server had an error"))
        assert [m["type"] for m in sent(outputs)] == ["response.create"]
