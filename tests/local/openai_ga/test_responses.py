"""A response from `response.created` to `response.done`: its events in the API's order, and what they carry."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from tests.support.ga_session import GASession, of, refusal, the, types
from tests.support.tones import heard, spoken
from voicepipe.local.openai_ga.events import Event
from voicepipe.transports.sound import Sound

SPOKEN = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
]
WRITTEN = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
]
CALLED = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
]
END = ["response.done", "rate_limits.updated"]
PARTS = ("response.output_audio", "response.output_text", "response.content_part", "response.function")


def sound_of(events: list[Event]) -> bytes:
    return b"".join(b64decode(event["delta"]) for event in of(events, "response.output_audio.delta"))


def check_ids(events: list[Event]) -> None:
    """All events of a response name the response, the item and its place in the output."""
    response_id = the(events, "response.created")["response"]["id"]
    items = [event["item"]["id"] for event in of(events, "response.output_item.added")]
    for event in events:
        if event["type"].startswith("response.output_item"):
            assert (event["response_id"], event["output_index"]) == (
                response_id,
                items.index(event["item"]["id"]),
            )
        elif event["type"].startswith(PARTS):
            assert (event["response_id"], event["output_index"]) == (
                response_id,
                items.index(event["item_id"]),
            )
            assert event.get("content_index", 0) == 0
    assert [item["id"] for item in the(events, "response.done")["response"]["output"]] == items


class TestASpokenAnswer:
    def test_in_the_order_of_the_api(self):
        session = GASession()
        events = [*session.say("hello"), *session.answer("Hello! How are you today?")]
        assert types(events)[-len(SPOKEN) - 3 :] == ["response.created", *SPOKEN, *END]
        check_ids(events)

    def test_words_go_ahead_of_their_sound(self):
        session = GASession()
        session.respond()
        response = session.begin("Hello! How are you today?")
        events = []
        for _ in range(2):
            events += session.advance(response)
            said = "".join(e["delta"] for e in of(events, "response.output_audio_transcript.delta"))
            assert said.startswith(heard(Sound(sound_of(events), 24000)))

    def test_its_sound_and_its_transcript_are_whole(self):
        session = GASession()
        session.respond()
        events = session.answer("Hello! How are you today?")
        assert sound_of(events) == spoken("Hello! How are you today?").pcm
        transcript = "".join(event["delta"] for event in of(events, "response.output_audio_transcript.delta"))
        assert transcript == "Hello! How are you today?"
        assert the(events, "response.output_audio_transcript.done")["transcript"] == transcript
        assert the(events, "response.content_part.done")["part"] == {
            "type": "audio",
            "transcript": transcript,
        }

    def test_what_it_says_in_several_pieces_is_one_message(self):
        session = GASession()
        events = session.respond()
        response = session.begin("Hello there.")
        events += session.advance_all(response)
        session.session.say(response, "How are you?", spoken("How are you?").pcm)
        events += session.finish(response)
        assert types(events) == ["response.created", *SPOKEN, *END]
        assert the(events, "response.output_audio_transcript.done")["transcript"] == (
            "Hello there. How are you?"
        )
        assert heard(Sound(sound_of(events), 24000)) == "Hello there. How are you?"
        check_ids(events)

    def test_deltas_hold_as_much_sound_as_the_pace_says(self):
        session = GASession()
        session.respond()
        deltas = of(session.answer("Hello! How are you today?"), "response.output_audio.delta")
        sizes = [len(b64decode(delta["delta"])) for delta in deltas]
        assert sizes[:-1] == [48 * 200] * (len(sizes) - 1)
        assert 0 < sizes[-1] <= 48 * 200

    def test_how_its_item_is_shown_from_beginning_to_end(self):
        session = GASession()
        session.respond()
        events = session.answer("Hello.")
        item_id = the(events, "response.output_item.added")["item"]["id"]
        begun = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        content = [{"type": "output_audio", "transcript": "Hello."}]
        ended = {**begun, "status": "completed", "content": content}
        for type_, item in [("added", begun), ("done", ended)]:
            assert the(events, f"response.output_item.{type_}")["item"] == item
            assert the(events, f"conversation.item.{type_}")["item"] == item
        assert the(events, "response.content_part.added")["part"] == {"type": "audio", "transcript": ""}
        assert the(events, "response.done")["response"]["output"] == [ended]

    def test_how_the_response_is_shown_from_beginning_to_end(self):
        session = GASession()
        created = the(session.respond(), "response.created")["response"]
        assert created == {
            "id": created["id"],
            "object": "realtime.response",
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": created["conversation_id"],
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"}},
            "usage": None,
            "metadata": None,
        }
        assert created["id"].startswith("resp_")
        assert created["conversation_id"].startswith("conv_")
        done = the(session.answer(), "response.done")["response"]
        changed = {name: value for name, value in done.items() if value != created[name]}
        assert set(changed) == {"status", "output", "usage"}
        assert changed["status"] == "completed"

    def test_a_voice_of_ones_own_is_shown_by_its_id(self):
        session = GASession()
        session.update_output(voice={"id": "voice_1234"})
        created = the(session.respond(), "response.created")["response"]
        assert created["audio"]["output"]["voice"] == "voice_1234"

    def test_one_without_anything_to_say_is_complete_and_empty(self):
        session = GASession()
        session.respond()
        events = session.end(session.answers.pop().response)
        assert types(events) == END
        done = events[0]["response"]
        assert (done["status"], done["output"]) == ("completed", [])


class TestAWrittenAnswer:
    def test_in_the_order_of_the_api(self):
        session = GASession()
        events = [*session.write("Hi"), *session.respond(output_modalities=["text"]), *session.answer("Hey!")]
        assert types(events) == [
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            *WRITTEN,
            *END,
        ]
        check_ids(events)

    def test_its_text_is_whole(self):
        session = GASession()
        session.update(output_modalities=["text"])
        session.respond()
        events = session.answer("Hello! How are you today?")
        deltas = [event["delta"] for event in of(events, "response.output_text.delta")]
        assert deltas == ["Hello!", " How", " are", " you", " today?"]
        assert the(events, "response.output_text.done")["text"] == "".join(deltas)
        assert the(events, "response.content_part.added")["part"] == {"type": "text", "text": ""}
        assert the(events, "response.content_part.done")["part"] == {"type": "text", "text": "".join(deltas)}
        item = the(events, "response.output_item.done")["item"]
        assert item["content"] == [{"type": "output_text", "text": "".join(deltas)}]

    def test_it_has_no_sound_even_if_some_is_handed_over(self):
        session = GASession()
        session.respond(output_modalities=["text"])
        response = session.answers.pop().response
        session.session.say(response, "Hello.", spoken("Hello.").pcm)
        events = session.finish(response)
        assert types(events) == [*WRITTEN, *END]
        assert the(events, "response.done")["response"]["usage"]["output_token_details"]["audio_tokens"] == 0

    def test_a_spoken_turn_can_be_answered_in_text(self):
        session = GASession()
        session.update(output_modalities=["text"])
        session.say("hello")
        assert types(session.answer("Hello.")) == [*WRITTEN, *END]


class TestCalls:
    def test_in_the_order_of_the_api(self):
        session = GASession()
        events = session.respond()
        response = session.answers.pop().response
        events += session.call(response, "get_weather", city="Bern", unit="celsius")
        events += session.end(response)
        assert types(events) == ["response.created", *CALLED, *END]
        check_ids(events)

    def test_what_a_call_shows_from_beginning_to_end(self):
        session = GASession()
        session.respond()
        response = session.answers.pop().response
        events = [*session.call(response, "get_weather", city="Bern"), *session.end(response)]
        item = the(events, "response.output_item.added")["item"]
        assert item == {
            "id": item["id"],
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "name": "get_weather",
            "call_id": item["call_id"],
            "arguments": "",
        }
        deltas = of(events, "response.function_call_arguments.delta")
        assert "".join(event["delta"] for event in deltas) == '{"city":"Bern"}'
        assert len(deltas) == 2
        done = the(events, "response.function_call_arguments.done")
        assert (done["name"], done["arguments"]) == ("get_weather", '{"city":"Bern"}')
        assert {event["call_id"] for event in [*deltas, done]} == {item["call_id"]}
        whole = {**item, "status": "completed", "arguments": '{"city":"Bern"}'}
        assert the(events, "response.output_item.done")["item"] == whole
        assert the(events, "response.done")["response"]["output"] == [whole]

    def test_parallel_ones_are_items_of_one_response(self):
        session = GASession()
        events = session.respond()
        response = session.answers.pop().response
        for city in ("Bern", "Oslo"):
            events += session.call(response, "get_weather", city=city)
        events += session.end(response)
        assert types(events) == ["response.created", *CALLED, *CALLED, *END]
        assert [event["output_index"] for event in of(events, "response.output_item.added")] == [0, 1]
        assert len({item["call_id"] for item in events[-2]["response"]["output"]}) == 2
        check_ids(events)

    def test_words_before_a_call_are_a_message_of_their_own_that_is_closed_first(self):
        session = GASession()
        events = session.respond()
        response = session.begin("One moment.")
        events += session.advance_all(response)
        events += session.call(response, "get_weather", city="Bern")
        events += session.end(response)
        assert types(events) == ["response.created", *SPOKEN, *CALLED, *END]
        check_ids(events)

    def test_outputs_come_after_it_and_one_response_answers_them_all(self):
        session = GASession()
        session.respond()
        response = session.answers.pop().response
        calls = [
            session.call(response, "get_weather", city=city)[0]["item"]["call_id"]
            for city in ("Bern", "Oslo")
        ]
        for call_id in calls:
            item = {"type": "function_call_output", "call_id": call_id, "output": "{}"}
            created = session.send("conversation.item.create", item=item)
            assert types(created) == ["conversation.item.added", "conversation.item.done"]
        assert refusal(session.respond())[0] == "conversation_already_has_active_response"
        session.end(response)
        assert types(session.respond()) == ["response.created"]
        turns = session.answers[0].conversation.turns
        assert [type(turn).__name__ for turn in turns] == ["ToolUse"] * 2 + ["ToolResult"] * 2

    def test_without_arguments(self):
        session = GASession()
        session.respond()
        events = session.call(session.answers.pop().response, "stop")
        assert the(events, "response.function_call_arguments.done")["arguments"] == "{}"


class TestOneAtATime:
    def test_a_second_one_is_refused_and_the_first_goes_on(self):
        session = GASession()
        session.respond()
        response = session.begin("Hello.")
        refused = session.send("response.create", event_id="second")
        assert refusal(refused) == ("conversation_already_has_active_response", None)
        assert refused[0]["error"]["event_id"] == "second"
        assert response.id in refused[0]["error"]["message"]
        assert the(session.finish(response), "response.done")["response"]["status"] == "completed"
        assert types(session.respond()) == ["response.created"]

    def test_also_while_the_first_waits_for_the_ears(self):
        session = GASession()
        session.update_input(turn_detection=None)
        session.speak("good morning")
        session.send("input_audio_buffer.commit")
        session.respond()
        assert refusal(session.respond())[0] == "conversation_already_has_active_response"


class TestEndings:
    def test_a_failure_is_told_in_the_response(self):
        session = GASession()
        session.respond()
        response = session.begin("Hello there.")
        session.advance(response)
        events = session.fail(response, "The endpoint is away.")
        assert types(events) == [*SPOKEN[5:], *END]
        done = the(events, "response.done")["response"]
        assert done["status"] == "failed"
        assert done["status_details"] == {
            "type": "failed",
            "error": {"type": "server_error", "code": None, "message": "The endpoint is away."},
        }
        assert done["output"][0]["status"] == "incomplete"
        assert types(session.respond()) == ["response.created"]

    @pytest.mark.parametrize("modalities", [["audio"], ["text"]])
    def test_one_that_may_not_be_longer_is_incomplete(self, modalities):
        session = GASession()
        session.respond(max_output_tokens=8, output_modalities=modalities)
        events = session.answer("one two three four five six seven eight nine ten eleven twelve thirteen")
        done = the(events, "response.done")["response"]
        assert types(events)[-2:] == END
        assert done["status"] == "incomplete"
        assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
        assert done["output"][0]["status"] == "incomplete"
        assert done["usage"]["output_tokens"] >= 8
        assert not any(text in str(done["output"]) for text in ("eleven", "thirteen"))

    def test_one_that_stays_below_is_complete(self):
        session = GASession()
        session.respond(max_output_tokens=4096)
        assert the(session.answer("One."), "response.done")["response"]["status"] == "completed"

    def test_what_was_said_incompletely_is_told_to_the_brain_as_cut(self):
        session = GASession()
        session.respond(max_output_tokens=1, output_modalities=["text"])
        session.answer("one two three")
        session.respond()
        turn: Any = session.answers[0].conversation.turns[0]
        assert (turn.text, turn.cut) == ("one", True)
