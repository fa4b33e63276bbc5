"""What JSON has no form for: it is refused by name before anything counts as said, and harms nothing that comes after."""

from __future__ import annotations

import pytest

from tests.services.openai.realtime.wire_lines import (
    created,
    happened,
    new_session,
    ready_session,
    sent,
    updated,
)
from tests.support.scripted_bot import conversation
from voicepipe.errors import SettingsError
from voicepipe.realtime.events import Failure, SessionReady
from voicepipe.services.openai.realtime import SessionProperties, Tracing

pytestmark = pytest.mark.usefixtures("both_wires")

HALF = "\ud83d"
"""Half of an emoji, as is left of a text that was cut by its UTF-16."""


def test_a_response_that_cannot_be_asked_for_is_refused_and_the_next_one_runs():
    session = ready_session()
    with pytest.raises(SettingsError, match="metadata: cannot be told as JSON"):
        session.want_response({"metadata": {"tags": {1, 2}}})
    assert not session.is_responding
    assert [m["type"] for m in sent(session.create_response())] == ["response.create"]


def test_nothing_is_left_of_one_beside_the_conversation():
    session = ready_session()
    with pytest.raises(SettingsError, match="metadata"):
        session.side_response("t1", {"metadata": {"tags": {1}}})
    assert session.closed() == []


async def test_who_asks_for_it_is_told_which_field_it_is():
    async with conversation() as (_, server, llm):
        for where in ("auto", "none"):
            with pytest.raises(SettingsError, match="metadata"):
                await llm.create_response(conversation=where, metadata={"tags": {1}})
        await llm.create_response(instructions="Say hello.")
        asked = await server.expect("response.create")
    assert asked["response"] == {"instructions": "Say hello."}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tracing": {"metadata": {"tags": {1}}}}, "tracing"),
        ({"tools": [{"type": "function", "name": "f", "parameters": {"enum": {1}}}]}, "tools"),
    ],
)
def test_a_setting_changes_nothing_and_the_next_one_counts(changes, field):
    session = ready_session()
    [failure] = session.update({"max_output_tokens": 7, **changes})
    assert isinstance(failure, Failure)
    assert failure.field == field
    session.update({"instructions": "A"})
    session.receive(updated())
    assert session.properties == SessionProperties(instructions="A")


def test_a_session_does_not_begin_with_one():
    with pytest.raises(SettingsError, match="tracing: cannot be told as JSON"):
        new_session(SessionProperties(tracing=Tracing(metadata={"tags": {1}})))


def test_half_a_character_in_what_is_to_be_said_becomes_a_question_mark():
    session = ready_session()
    [update] = sent(session.update({"instructions": f"A {HALF}"}))
    [asked] = sent(session.create_response(instructions=f"Say {HALF}"))
    assert (update["session"]["instructions"], asked["response"]["instructions"]) == ("A ?", "Say ?")


def test_half_a_character_is_told_as_a_question_mark_and_the_conversation_goes_on_elsewhere():
    session = ready_session()
    [message] = sent(session.add_message("user", f"Hi {HALF}"))
    assert message["item"]["content"][0]["text"] == "Hi ?"
    session.closed()
    session.receive(created())
    ready, *_ = happened(session.receive(updated()))
    assert isinstance(ready, SessionReady)
