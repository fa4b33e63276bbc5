"""Usage: tokens from real lengths, that add up; and the limits that are told after each response."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest

from tests.support.ga_session import GASession, the
from tests.support.tones import spoken

PIXEL = "data:image/jpeg;base64,/9j/"


def usage(session: GASession, text: str = "Yes.", **response: Any) -> dict[str, Any]:
    session.respond(**response)
    done = the(session.answer(text), "response.done")["response"]["usage"]
    check(done)
    return done


def check(usage: dict[str, Any]) -> None:
    """All sums are right, and cached tokens are among the tokens."""
    inputs, outputs = usage["input_token_details"], usage["output_token_details"]
    cached = inputs["cached_tokens_details"]
    kinds = ("text_tokens", "audio_tokens", "image_tokens")
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens"] == sum(inputs[kind] for kind in kinds)
    assert usage["output_tokens"] == outputs["text_tokens"] + outputs["audio_tokens"]
    assert inputs["cached_tokens"] == sum(cached[kind] for kind in kinds)
    assert all(0 <= cached[kind] <= inputs[kind] for kind in kinds)


def test_an_answer_costs_a_token_for_50_ms_and_for_four_letters():
    session = GASession()
    session.update(instructions="")
    text = "One two three four."
    used = usage(session, text)
    assert used["output_token_details"] == {
        "text_tokens": ceil(len(text) / 4),
        "audio_tokens": ceil(len(spoken(text).pcm) / 48 / 50),
    }
    assert used["input_tokens"] == 0


def test_a_text_answer_costs_no_sound():
    used = usage(GASession(), "One two three four.", output_modalities=["text"])
    assert used["output_token_details"] == {"text_tokens": 5, "audio_tokens": 0}


def test_what_the_user_said_costs_a_token_for_100_ms():
    session = GASession()
    session.update(instructions="")
    session.update_input(turn_detection=None)
    session.append(bytes(48 * 1010))
    session.send("input_audio_buffer.commit")
    session.listen()
    assert usage(session)["input_token_details"]["audio_tokens"] == 11


def test_what_the_user_said_costs_nothing_as_text():
    session = GASession()
    session.update(instructions="")
    session.update_input(transcription={"model": "whisper-1"})
    session.say("good morning to you all")
    done = the(session.answer(), "response.done")["response"]["usage"]
    check(done)
    assert done["input_token_details"]["text_tokens"] == 0
    assert done["input_token_details"]["audio_tokens"] > 0


def test_instructions_tools_text_calls_and_outputs_are_text():
    session = GASession()
    session.update(instructions="a" * 40)
    before = usage(session, conversation="none")["input_token_details"]["text_tokens"]
    assert before == 10
    session.write("b" * 20)
    assert usage(session, conversation="none")["input_token_details"]["text_tokens"] == 15
    call = {"type": "function_call", "name": "f", "call_id": "c", "arguments": '{"abc":12}'}
    session.send("conversation.item.create", item=call)
    session.send(
        "conversation.item.create", item={"type": "function_call_output", "call_id": "c", "output": "d" * 8}
    )
    assert usage(session, conversation="none")["input_token_details"]["text_tokens"] == 15 + 3 + 2
    session.update(tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}}])
    assert usage(session, conversation="none")["input_token_details"]["text_tokens"] > 20


def test_images_are_counted_by_themselves():
    session = GASession()
    session.update(instructions="")
    session.create("user", [{"type": "input_image", "image_url": PIXEL}])
    details = usage(session)["input_token_details"]
    assert details["image_tokens"] > 0
    assert (details["text_tokens"], details["audio_tokens"]) == (0, 0)


def test_only_the_input_that_was_named_is_paid_for():
    session = GASession()
    session.update(instructions="")
    session.write("a" * 400)
    assert usage(session, input=[])["input_tokens"] == 0
    assert usage(session)["input_token_details"]["text_tokens"] > 100


class TestCached:
    def test_nothing_is_at_first(self):
        session = GASession()
        session.write("a" * 4000)
        assert usage(session)["input_token_details"]["cached_tokens"] == 0

    def test_then_what_the_last_response_knew_in_blocks_of_64(self):
        session = GASession()
        session.update(instructions="")
        session.write("a" * 4000)
        first = usage(session)
        second = usage(session)
        cached = second["input_token_details"]["cached_tokens"]
        assert cached == first["total_tokens"] // 64 * 64
        assert 0 < cached < second["input_tokens"]

    def test_sound_is_cached_too(self):
        session = GASession()
        session.update(instructions="")
        session.update_input(turn_detection=None)
        session.append(bytes(48 * 20_000), 48_000)
        session.send("input_audio_buffer.commit")
        session.listen()
        usage(session)
        assert usage(session)["input_token_details"]["cached_tokens_details"]["audio_tokens"] > 0

    def test_images_add_up_with_the_rest(self):
        session = GASession()
        session.write("a" * 400)
        session.create("user", [{"type": "input_image", "image_url": PIXEL}])
        for _ in range(3):
            usage(session)

    def test_a_conversation_that_became_shorter_has_no_more_cached_than_it_has(self):
        session = GASession()
        session.update(instructions="")
        session.write("a" * 4000, id="long")
        usage(session)
        session.send("conversation.item.delete", item_id="long")
        assert usage(session)["input_token_details"]["cached_tokens"] == 0


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_what_went_out_of_a_response_that_was_cut_is_paid_for(end):
    session = GASession()
    session.respond()
    response = session.begin("one two three four five six seven eight")
    session.advance(response)
    events = session.send("response.cancel") if end == "cancel" else session.fail(response, "Away.")
    used = the(events, "response.done")["response"]["usage"]
    check(used)
    assert used["output_token_details"]["audio_tokens"] == 4


class TestRateLimits:
    def test_they_follow_each_response(self):
        session = GASession()
        session.respond()
        events = session.answer("One two three four.")
        assert events[-2]["type"] == "response.done"
        total = events[-2]["response"]["usage"]["total_tokens"]
        requests, tokens = the(events, "rate_limits.updated")["rate_limits"]
        assert (requests["name"], requests["limit"] - requests["remaining"]) == ("requests", 1)
        assert (tokens["name"], tokens["limit"] - tokens["remaining"]) == ("tokens", total)
        assert tokens["reset_seconds"] > 0

    def test_they_follow_a_cancelled_one_too(self):
        session = GASession()
        session.respond()
        assert session.send("response.cancel")[-1]["type"] == "rate_limits.updated"
