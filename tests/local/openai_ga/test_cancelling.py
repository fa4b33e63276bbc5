"""Responses that are cut: by the client, by the user's voice, and what still goes out of them."""

from __future__ import annotations

import pytest

from tests.support.ga_session import GASession, of, refusal, the, types
from voicepipe.local.brain import Message

CLOSED = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
TEXT = "one two three four five six seven"


def speaking(late_deltas: int = 0) -> tuple[GASession, str]:
    """A session in the midst of an answer of which two deltas of 200 ms went out."""
    session = GASession(late_deltas=late_deltas)
    session.respond()
    response = session.begin(TEXT)
    session.advance(response, 2)
    return session, response.id


class TestByTheClient:
    @pytest.mark.parametrize("named", [True, False])
    def test_what_is_open_is_closed_and_the_response_is_cancelled(self, named):
        session, response_id = speaking()
        events = session.send("response.cancel", **({"response_id": response_id} if named else {}))
        assert types(events) == CLOSED
        done = the(events, "response.done")["response"]
        assert (done["id"], done["status"]) == (response_id, "cancelled")
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        assert session.stopped == [response_id]

    def test_its_item_is_incomplete_and_has_what_was_said(self):
        session, _ = speaking()
        events = session.send("response.cancel")
        item = the(events, "response.output_item.done")["item"]
        assert item["status"] == "incomplete"
        assert item["content"] == [{"type": "output_audio", "transcript": "one two three four five six"}]
        assert the(events, "conversation.item.done")["item"] == item
        session.respond()
        assert session.answers[-1].conversation.turns == [
            Message("assistant", "one two three four five six", cut=True)
        ]

    def test_with_nothing_running_it_is_refused(self):
        session = GASession()
        assert refusal(session.send("response.cancel")) == ("response_cancel_not_active", None)
        session.respond()
        session.answer()
        refused = session.send("response.cancel")
        assert refusal(refused) == ("response_cancel_not_active", None)
        assert refused[0]["error"]["message"] == "Cancellation failed: no active response found"

    def test_of_one_that_does_not_run_it_is_refused_and_the_other_goes_on(self):
        session, _ = speaking()
        refused = session.send("response.cancel", response_id="resp_other")
        assert refusal(refused) == ("response_cancel_not_active", None)
        assert not session.stopped

    def test_twice_is_once(self):
        session, response_id = speaking()
        session.send("response.cancel")
        assert refusal(session.send("response.cancel", response_id=response_id))[0] == (
            "response_cancel_not_active"
        )

    def test_before_anything_was_said_there_is_nothing_to_close(self):
        session = GASession()
        session.respond()
        events = session.send("response.cancel")
        assert types(events) == ["response.done", "rate_limits.updated"]
        assert events[0]["response"]["output"] == []
        assert not session.answers

    def test_while_it_waits_for_the_ears_it_is_never_made(self):
        session = GASession()
        session.detect(create_response=False)
        session.speak("hello")
        session.silence()
        session.respond()
        session.send("response.cancel")
        session.listen()
        assert not session.answers

    def test_the_next_response_may_begin_at_once(self):
        session, _ = speaking()
        session.send("response.cancel")
        assert types(session.respond()) == ["response.created"]

    def test_a_call_that_was_made_stays_made(self):
        session = GASession()
        session.respond()
        response = session.answers.pop().response
        call_id = session.call(response, "f")[0]["item"]["call_id"]
        done = the(session.send("response.cancel"), "response.done")["response"]
        assert [item["status"] for item in done["output"]] == ["completed"]
        output = {"type": "function_call_output", "call_id": call_id, "output": "late"}
        assert session.send("conversation.item.create", item=output)[0]["type"] == "conversation.item.added"


class TestByTheUser:
    def test_speech_is_told_first_then_the_response_is_cut(self):
        session, response_id = speaking()
        events = session.speak("wait")
        assert types(events) == ["input_audio_buffer.speech_started", *CLOSED]
        done = the(events, "response.done")["response"]
        assert (done["id"], done["status"]) == (response_id, "cancelled")
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert session.stopped == [response_id]

    def test_no_cancel_is_needed_any_more(self):
        session, _ = speaking()
        session.speak("wait")
        assert refusal(session.send("response.cancel"))[0] == "response_cancel_not_active"

    def test_the_turn_is_answered(self):
        session, _ = speaking()
        session.speak("wait")
        session.silence()
        assert types(session.listen()) == ["response.created"]
        turns = session.answers[0].conversation.turns
        assert turns[-1] == Message("user", "wait")

    def test_an_answer_that_was_not_begun_is_cut_as_well(self):
        session = GASession()
        session.say("hello")
        assert len(session.answers) == 1
        assert types(session.speak("wait")) == [
            "input_audio_buffer.speech_started",
            "response.done",
            "rate_limits.updated",
        ]
        assert not session.answers


class TestLateDeltas:
    @pytest.mark.parametrize("late", [1, 2])
    def test_some_go_out_before_the_end_is_told(self, late):
        session, _ = speaking(late)
        events = session.send("response.cancel")
        assert len(of(events, "response.output_audio.delta")) == min(late, 1), "there are 128 ms left"
        assert types(events)[-len(CLOSED) :] == CLOSED
        assert the(events, "response.done")["response"]["status"] == "cancelled"

    def test_they_go_out_behind_the_users_speech(self):
        session, _ = speaking(1)
        events = session.speak("wait")
        assert types(events)[0] == "input_audio_buffer.speech_started"
        assert "response.output_audio.delta" in types(events)

    def test_there_are_none_of_a_response_that_has_said_nothing(self):
        session = GASession(late_deltas=3)
        session.respond()
        assert types(session.send("response.cancel")) == ["response.done", "rate_limits.updated"]

    def test_one_that_reaches_the_longest_answer_ends_it_and_its_making(self):
        session = GASession(late_deltas=2)
        session.respond(max_output_tokens=12)
        response = session.begin(TEXT)
        session.advance(response)
        events = session.send("response.cancel")
        assert len(of(events, "response.done")) == 1
        assert session.stopped == [response.id]


class TestOutOfBand:
    def test_any_number_run_beside_the_one_of_the_conversation(self):
        session = GASession()
        session.respond()
        ids = [session.respond(conversation="none")[0]["response"]["id"] for _ in range(3)]
        assert len(set(ids)) == 3
        assert len(session.answers) == 4
        assert refusal(session.respond())[0] == "conversation_already_has_active_response"

    def test_they_belong_to_no_conversation(self):
        session = GASession()
        metadata = {"token": "t1"}
        events = session.respond(conversation="none", metadata=metadata, output_modalities=["text"])
        events += session.answer("Two.")
        assert types(events) == [
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        for type_ in ("response.created", "response.done"):
            response = the(events, type_)["response"]
            assert (response["conversation_id"], response["metadata"]) == (None, metadata)
        item_id = the(events, "response.output_item.done")["item"]["id"]
        assert refusal(session.send("conversation.item.retrieve", item_id=item_id))[0] == (
            "item_retrieve_invalid_item_id"
        )
        session.respond()
        assert session.answers[-1].conversation.turns == []

    def test_they_interleave_with_the_conversations_own(self):
        session = GASession()
        session.respond()
        own = session.begin(TEXT)
        session.respond(conversation="none", metadata={"token": "1"})
        beside = session.begin("seven eight")
        session.advance(own)
        session.advance(beside)
        assert the(session.finish(own), "response.done")["response"]["metadata"] is None
        done = the(session.finish(beside), "response.done")["response"]
        assert (done["metadata"], done["status"]) == ({"token": "1"}, "completed")

    def test_speech_does_not_cut_them(self):
        session = GASession()
        session.respond(conversation="none")
        response = session.begin(TEXT)
        session.advance(response)
        assert types(session.speak("wait")) == ["input_audio_buffer.speech_started"]
        assert not session.stopped

    def test_a_cancel_without_an_id_leaves_them_alone_one_with_theirs_does_not(self):
        session = GASession()
        beside = session.respond(conversation="none")[0]["response"]["id"]
        assert refusal(session.send("response.cancel"))[0] == "response_cancel_not_active"
        done = the(session.send("response.cancel", response_id=beside), "response.done")["response"]
        assert (done["id"], done["status"]) == (beside, "cancelled")


class TestInput:
    def test_without_it_the_conversation_is_what_is_answered(self):
        session = GASession()
        session.write("One.")
        session.respond(conversation="none")
        assert session.answers[0].conversation.turns == [Message("user", "One.")]

    def test_an_empty_one_is_an_empty_context(self):
        session = GASession()
        session.write("One.")
        session.respond(input=[])
        assert session.answers[0].conversation.turns == []

    def test_items_and_references_are_answered_in_their_order(self):
        session = GASession()
        session.write("One.", id="one")
        session.write("Two.", id="two")
        text = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And?"}]}
        session.respond(conversation="none", input=[{"type": "item_reference", "id": "two"}, text])
        assert session.answers[0].conversation.turns == [Message("user", "Two."), Message("user", "And?")]
        assert len(of(session.events, "conversation.item.added")) == 2, "its own item is not added"

    def test_a_reference_to_what_is_not_there_is_refused_and_nothing_begins(self):
        session = GASession()
        refused = session.respond(input=[{"type": "item_reference", "id": "none"}])
        assert refusal(refused) == ("item_retrieve_invalid_item_id", "response.input[0].id")
        assert types(session.respond()) == ["response.created"]
