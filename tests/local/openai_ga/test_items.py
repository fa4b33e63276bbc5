"""The conversation's items: created, found, ordered, deleted and shown."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest

from tests.support.ga_session import FORMAT_MS, GASession, of, one, refusal, the, types
from tests.support.tones import spoken
from voicepipe.audio.g711 import alaw_encode, ulaw_encode
from voicepipe.local.brain import Message, ToolResult, ToolUse

ADDED_DONE = ["conversation.item.added", "conversation.item.done"]
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def call(call_id: str = "call_1", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "name": "f", "call_id": call_id, "arguments": '{"a":1}', **fields}


def output(call_id: str = "call_1", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "2", **fields}


def order(session: GASession) -> list[str]:
    """The ids of the items from the front, as their neighbours are told."""
    before: dict[str | None, str] = {}
    for event in of(session.events, "conversation.item.added"):
        previous, new = event["previous_item_id"], event["item"]["id"]
        if previous in before:
            before[new] = before.pop(previous)
        before[previous] = new
    ids, at = [], None
    while at in before:
        at = before[at]
        ids.append(at)
    return ids


class TestCreating:
    @pytest.mark.parametrize(
        ("item", "rest"),
        [
            ({"role": "system", "content": [{"type": "input_text", "text": "Be brief."}]}, {}),
            ({"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}, {}),
            ({"role": "user", "content": []}, {}),
            ({"role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}, {}),
            (
                {"role": "assistant", "content": [{"type": "output_text", "text": "He"}]},
                {"status": "incomplete"},
            ),
            ({"role": "user", "content": [{"type": "input_image", "image_url": PIXEL, "detail": "low"}]}, {}),
        ],
    )
    def test_a_message_is_added_and_done_as_it_was_given(self, item, rest):
        session = GASession()
        events = session.send(
            "conversation.item.create", item={"type": "message", "id": "mine", **item, **rest}
        )
        assert types(events) == ADDED_DONE
        shown = {
            "id": "mine",
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            **item,
            **rest,
        }
        assert [event["item"] for event in events] == [shown, shown]
        assert [event["previous_item_id"] for event in events] == [None, None]
        assert not session.answers, "an item starts no response"

    def test_calls_and_their_outputs_are_items(self):
        session = GASession()
        added = session.send("conversation.item.create", item=call())[0]["item"]
        assert added["id"].startswith("item_")
        assert {name: added[name] for name in ("type", "name", "call_id", "arguments", "status")} == {
            "type": "function_call",
            "name": "f",
            "call_id": "call_1",
            "arguments": '{"a":1}',
            "status": "completed",
        }
        events = session.send("conversation.item.create", item=output())
        assert types(events) == ADDED_DONE
        assert (events[0]["item"]["call_id"], events[0]["item"]["output"]) == ("call_1", "2")
        session.respond()
        assert session.answers[0].conversation.turns == [
            ToolUse("call_1", "f", {"a": 1}),
            ToolResult("call_1", "2"),
        ]

    def test_arguments_that_are_no_object_are_none_to_the_brain(self):
        session = GASession()
        for call_id, arguments in (("1", "no json"), ("2", "[1]"), ("3", "")):
            session.send("conversation.item.create", item=call(call_id, arguments=arguments))
        session.respond()
        assert [turn.arguments for turn in session.answers[0].conversation.turns] == [{}, {}, {}]

    def test_an_item_without_an_id_gets_one_of_its_own(self):
        session = GASession()
        ids = {session.write("Hi")[0]["item"]["id"] for _ in range(3)}
        assert len(ids) == 3
        assert all(id_.startswith("item_") and len(id_) <= 32 for id_ in ids)

    def test_an_id_may_be_32_characters_long(self):
        assert types(GASession().write("Hi", id="i" * 32)) == ADDED_DONE
        assert refusal(GASession().write("Hi", id="i" * 33)) == ("string_above_max_length", "item.id")

    def test_an_id_that_is_taken_is_refused(self):
        session = GASession()
        session.write("Hi", id="mine")
        assert refusal(session.write("Ho", id="mine")) == ("item_create_duplicate_item_id", "item.id")
        assert session.retrieve("mine")["content"][0]["text"] == "Hi"

    def test_an_id_is_free_again_once_its_item_is_deleted(self):
        session = GASession()
        session.write("Hi", id="mine")
        session.send("conversation.item.delete", item_id="mine")
        assert types(session.write("Ho", id="mine")) == ADDED_DONE

    def test_an_output_for_a_call_that_was_never_made_is_refused(self):
        session = GASession()
        session.send("conversation.item.create", item=call("other"))
        refused = session.send("conversation.item.create", item=output())
        assert refusal(refused) == ("invalid_tool_call_id", "item.call_id")

    def test_an_id_that_the_server_gives_later_does_no_harm(self):
        for taken in range(1, 40):
            session = GASession()
            session.write("Hi", id=f"item_0000001{taken:014d}")
            session.say("hello")
            done = the(session.answer("Hello."), "response.done")
            assert done["response"]["status"] == "completed"
            ids = [event["item"]["id"] for event in of(session.events, "conversation.item.added")]
            assert len(set(ids)) == 3


class TestOrder:
    def test_items_stand_where_they_were_put(self):
        session = GASession()
        session.write("one", id="one")
        session.write("two", id="two")
        first = {
            "type": "message",
            "role": "system",
            "content": [{"type": "input_text", "text": "first"}],
            "id": "first",
        }
        events = session.send("conversation.item.create", previous_item_id="root", item=first)
        assert [event["previous_item_id"] for event in events] == [None, None]
        second = {**first, "id": "middle", "content": [{"type": "input_text", "text": "middle"}]}
        events = session.send("conversation.item.create", previous_item_id="one", item=second)
        assert [event["previous_item_id"] for event in events] == ["one", "one"]
        last = {**first, "id": "last", "content": [{"type": "input_text", "text": "last"}]}
        session.send("conversation.item.create", previous_item_id=None, item=last)
        assert order(session) == ["first", "one", "middle", "two", "last"]
        session.respond()
        texts = [turn.text for turn in session.answers[0].conversation.turns]
        assert texts == ["first", "one", "middle", "two", "last"]

    def test_an_item_behind_one_that_is_not_there_is_refused(self):
        session = GASession()
        item = {"type": "message", "role": "user", "content": [], "id": "mine"}
        refused = session.send("conversation.item.create", previous_item_id="none", item=item)
        assert refusal(refused) == ("item_create_invalid_previous_item_id", "previous_item_id")
        assert refusal(session.send("conversation.item.retrieve", item_id="mine"))[0].startswith("item_retr")

    def test_each_item_tells_the_one_before_it(self):
        session = GASession()
        user = session.write("Hi")[0]["item"]["id"]
        session.respond()
        response = session.begin("One moment.")
        session.advance_all(response)
        session.call(response, "f", a=1)
        session.end(response)
        added = of(session.events, "conversation.item.added")
        assert [event["previous_item_id"] for event in added] == [None, user, added[1]["item"]["id"]]
        done = of(session.events, "conversation.item.done")
        assert [(event["item"]["id"], event["previous_item_id"]) for event in done] == [
            (event["item"]["id"], event["previous_item_id"]) for event in added
        ]


class TestDeleting:
    def test_an_item_that_is_deleted_is_gone(self):
        session = GASession()
        session.write("one", id="one")
        session.write("two", id="two")
        deleted = one(session.send("conversation.item.delete", item_id="one"))
        assert (deleted["type"], deleted["item_id"]) == ("conversation.item.deleted", "one")
        session.respond()
        assert session.answers[0].conversation.turns == [Message("user", "two")]

    @pytest.mark.parametrize(
        ("type_", "code"),
        [
            ("conversation.item.delete", "item_delete_invalid_item_id"),
            ("conversation.item.retrieve", "item_retrieve_invalid_item_id"),
        ],
    )
    def test_one_that_is_not_there_is_refused(self, type_, code):
        session = GASession()
        session.write("one", id="one")
        session.send("conversation.item.delete", item_id="one")
        assert refusal(session.send(type_, item_id="one")) == (code, "item_id")

    def test_what_the_user_said_can_be_deleted_before_it_is_understood(self):
        session = GASession()
        session.speak("hello")
        session.silence()
        item_id = the(session.events, "input_audio_buffer.committed")["item_id"]
        session.send("conversation.item.delete", item_id=item_id)
        assert types(session.listen()) == ["response.created"]
        assert session.answers[0].conversation.turns == []

    def test_an_answer_deleted_while_it_runs_ends_in_order(self):
        session = GASession()
        session.respond()
        response = session.begin("Count with me.")
        session.advance(response)
        session.send("conversation.item.delete", item_id=response.items[0].id)
        done = session.finish(response)
        assert types(done)[-2:] == ["response.done", "rate_limits.updated"]
        session.respond()
        assert session.answers[0].conversation.turns == []


class TestRetrieving:
    def test_what_the_user_said_comes_with_its_sound(self):
        session = GASession()
        pcm = spoken("good morning").pcm
        session.say("good morning")
        item_id = the(session.events, "input_audio_buffer.committed")["item_id"]
        part = one(session.retrieve(item_id)["content"])
        assert part["type"] == "input_audio"
        assert pcm in b64decode(part["audio"])

    def test_what_was_created_with_sound_comes_back_unchanged(self):
        session = GASession()
        pcm = spoken("hi").pcm
        content = [{"type": "input_audio", "audio": b64encode(pcm).decode()}]
        added = session.create("user", content, id="mine")
        assert [event["item"]["content"] for event in added] == [
            [{"type": "input_audio", "transcript": None}]
        ] * 2
        assert b64decode(session.retrieve("mine")["content"][0]["audio"]) == pcm
        session.listen()
        session.respond()
        assert session.answers[0].conversation.turns == [Message("user", "hi")]

    @pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu", "audio/pcma"])
    def test_an_answer_comes_with_all_of_its_sound(self, kind):
        session = GASession()
        session.update_output(format={"type": kind})
        session.respond()
        events = session.answer("Hello there.")
        part = one(session.retrieve(the(events, "response.output_item.done")["item"]["id"])["content"])
        sound = b"".join(b64decode(event["delta"]) for event in of(events, "response.output_audio.delta"))
        assert (part["type"], part["transcript"]) == ("output_audio", "Hello there.")
        assert b64decode(part["audio"]) == sound
        said_ms = len(spoken("Hello there.").pcm) / 48
        assert len(sound) / FORMAT_MS[kind] == pytest.approx(said_ms, abs=5)

    def test_text_is_shown_as_it_is(self):
        session = GASession()
        session.write("Hi", id="mine")
        assert session.retrieve("mine")["content"] == [{"type": "input_text", "text": "Hi"}]


class TestSoundInItems:
    @pytest.mark.parametrize(("kind", "encode"), [("audio/pcmu", ulaw_encode), ("audio/pcma", alaw_encode)])
    def test_it_is_in_the_sessions_format(self, kind, encode):
        session = GASession()
        session.update_input(format={"type": kind})
        sound = encode(spoken("good morning", 8000).pcm)
        session.create("user", [{"type": "input_audio", "audio": b64encode(sound).decode()}])
        session.listen()
        session.respond()
        assert session.answers[0].conversation.turns == [Message("user", "good morning")]

    def test_an_answer_waits_until_it_is_understood(self):
        session = GASession()
        session.create("user", [{"type": "input_audio", "audio": b64encode(spoken("hi").pcm).decode()}])
        assert types(session.respond()) == ["response.created"]
        assert not session.answers
        session.listen()
        assert session.answers[0].conversation.turns == [Message("user", "hi")]

    def test_without_sound_its_transcript_is_its_words(self):
        session = GASession()
        session.create("user", [{"type": "input_audio", "transcript": "good morning"}])
        assert not session.hears
        session.respond()
        assert session.answers[0].conversation.turns == [Message("user", "good morning")]

    def test_text_and_sound_of_one_message_are_both_its_words(self):
        session = GASession()
        sound = b64encode(spoken("in Bern").pcm).decode()
        session.create(
            "user", [{"type": "input_text", "text": "The weather"}, {"type": "input_audio", "audio": sound}]
        )
        session.listen()
        session.respond()
        assert session.answers[0].conversation.turns == [Message("user", "The weather in Bern")]
