"""Interruptions and functions over ElevenLabs' wire."""

from __future__ import annotations

import pytest

from tests.services.elevenlabs.convai.test_session import heard, said
from tests.services.elevenlabs.convai.wire_lines import (
    agent_says,
    audio,
    complete,
    corrected,
    given,
    happened,
    interruption,
    line,
    names,
    ready_session,
    sent,
    tool_call,
    user_says,
)
from voicepipe.realtime.events import (
    ApprovalWanted,
    ItemUpdated,
    ResponseFinished,
    ServerTool,
    ToolCall,
)


class TestInterruptions:
    def test_p18_late_sound_of_what_was_interrupted_is_dropped_by_its_event_id(self):
        session = ready_session()
        given(session, agent_says("A long story.", 1), audio(2))
        assert names(session.receive(interruption(5))) == ["UserSpeechStarted"]
        assert given(session, audio(4), audio(5, is_final=True), complete(5), agent_says("Late.", 5)) == []
        outputs = given(session, user_says("stop", 6), audio(7))
        assert "AudioChunk" in names(outputs)
        [finished] = [one for one in outputs if isinstance(one, ResponseFinished)]
        assert finished.status == "cancelled"

    def test_what_comes_after_a_noise_is_heard_also_without_words_before_it(self):
        session = ready_session()
        given(session, agent_says("A long story.", 1), audio(2, is_final=False), interruption(5))
        assert session.ends_after_ms == 500
        outputs = given(session, audio(6, is_final=False))
        assert names(outputs) == ["ResponseFinished", "UserSpeechStopped", "ResponseStarted", "AudioChunk"]

    def test_the_history_follows_the_correction(self):
        session = ready_session()
        given(session, agent_says("One two three.", 1), audio(2, 1000), interruption(3))
        session.interrupt(heard(session, 200, 1000))
        outputs = given(session, corrected("One two three.", "One two", 4))
        assert isinstance(outputs[0], ItemUpdated)
        assert said(session) == [("assistant", "One two")]
        given(session, user_says("wait", 5))
        assert said(session) == [("assistant", "One two"), ("user", "wait")]

    def test_a_reply_of_which_nothing_was_heard_was_never_said(self):
        session = ready_session()
        given(session, agent_says("One.", 1), audio(2), interruption(3), corrected("One.", "", 4))
        assert said(session) == []

    def test_without_a_correction_the_history_has_what_was_played(self):
        session = ready_session()
        given(session, agent_says("one two three four", 1), audio(2, 1000), interruption(3))
        assert session.interrupt(heard(session, 600, 1000)) == []
        [(_, text)] = said(session)
        assert text in ("one two", "one two three")

    def test_an_interruption_of_our_own_drops_the_rest_and_tells_the_agent_what_was_heard(self):
        session = ready_session()
        given(session, agent_says("one two three four", 1), audio(2, 1000, is_final=False))
        [update] = sent(session.interrupt(heard(session, 600, 1000)))
        assert update["type"] == "contextual_update"
        assert "one two" in update["text"]
        assert not session.is_responding
        assert given(session, audio(3, is_final=False)) == []
        [finished] = given(session, audio(4, is_final=True))
        assert isinstance(finished, ResponseFinished)
        assert finished.status == "cancelled"
        assert names(given(session, agent_says("Next.", 5))) == [
            "ResponseStarted",
            "BotTranscript",
            "ItemCreated",
        ]

    def test_what_was_played_to_its_end_is_not_cut(self):
        session = ready_session()
        given(session, agent_says("One.", 1), audio(2, is_final=False))
        parts = heard(session, 100, 100)
        given(session, audio(3, 0, is_final=True))
        assert session.interrupt(parts) == []
        assert said(session) == [("assistant", "One.")]


class TestFunctions:
    def test_p7_a_call_its_result_and_the_end_of_the_response_that_made_it(self):
        session = ready_session()
        outputs = given(
            session, user_says("weather", 1), tool_call("c1", "get_weather", 2, parameters={"city": "Paris"})
        )
        [call] = [one for one in outputs if isinstance(one, ToolCall)]
        assert (call.name, call.arguments) == ("get_weather", {"city": "Paris"})
        outputs = session.send_tool_result("c1", '{"sky":"clear"}')
        assert sent(outputs) == [
            {
                "type": "client_tool_result",
                "tool_call_id": "c1",
                "result": '{"sky":"clear"}',
                "is_error": False,
            }
        ]
        assert happened(outputs) == [ResponseFinished(call.response_id, "completed", calls=("c1",))]
        assert names(given(session, agent_says("Clear.", 3)))[0] == "ResponseStarted"

    def test_two_calls_are_one_response_which_ends_when_both_are_answered(self):
        session = ready_session()
        outputs = given(session, tool_call("c1", "a", 1), tool_call("c2", "b", 2), tool_call("c2", "b", 2))
        assert names(outputs) == ["ResponseStarted", "ToolCall", "ToolCall"]
        assert names(session.send_tool_result("c2", "2")) == []
        [finished] = happened(session.send_tool_result("c1", "1"))
        assert isinstance(finished, ResponseFinished)
        assert finished.calls == ("c1", "c2")
        assert session.send_tool_result("c1", "again") == []

    @pytest.mark.parametrize("output", ['{"error":"no such city"}', "CANCELLED"])
    def test_an_error_goes_back_as_one(self, output):
        session = ready_session()
        given(session, tool_call("c1", "a", 1))
        [result] = sent(session.send_tool_result("c1", output))
        assert result["is_error"]

    def test_a_call_without_a_result_is_run_and_not_answered(self):
        session = ready_session()
        outputs = given(session, tool_call("c1", "a", 1, expects_response=False))
        assert "ToolCall" in names(outputs)
        assert sent(session.send_tool_result("c1", "done")) == []

    def test_p6_a_call_of_what_was_interrupted_is_answered_and_not_run(self):
        session = ready_session()
        given(session, agent_says("Hm.", 1), audio(2), interruption(5))
        outputs = session.receive(tool_call("c1", "a", 4))
        assert happened(outputs) == []
        [result] = sent(outputs)
        assert (result["tool_call_id"], result["is_error"]) == ("c1", True)

    def test_bad_parameters_are_a_problem_of_the_call(self):
        session = ready_session()
        [call] = [
            one
            for one in given(session, tool_call("c1", "a", 1, parameters=[1]))
            if isinstance(one, ToolCall)
        ]
        assert call.arguments is None
        assert "JSON object" in call.problem

    def test_tools_of_the_server_are_told(self):
        session = ready_session()
        request = {"tool_name": "t", "tool_call_id": "c1", "tool_type": "webhook", "event_id": 1}
        response = {**request, "is_error": True, "is_called": True}
        outputs = given(
            session,
            line("agent_tool_request", agent_tool_request=request),
            line("agent_tool_response", agent_tool_response=response),
            line("agent_tool_response_full_payload", agent_tool_response_full_payload=response),
            line("agent_tool_response", agent_tool_response={**response, "tool_type": "client"}),
        )
        assert [one.stage for one in outputs if isinstance(one, ServerTool)] == ["calling", "failed"]

    def test_mcp_calls_may_want_approval(self):
        session = ready_session()
        call = {"service_id": "s", "tool_call_id": "m1", "tool_name": "t", "parameters": {"a": 1}}
        outputs = given(session, line("mcp_tool_call", mcp_tool_call={**call, "state": "awaiting_approval"}))
        assert outputs[1] == ApprovalWanted("m1", "s", "t", '{"a":1}')
        assert sent(session.approve("m1", approve=True)) == [
            {"type": "mcp_tool_approval_result", "tool_call_id": "m1", "is_approved": True}
        ]
        [told] = given(session, line("mcp_tool_call", mcp_tool_call={**call, "state": "failure"}))
        assert isinstance(told, ServerTool)
        assert told.stage == "failed"
        status = {"integrations": [{"integration_id": "i1", "is_connected": True, "tool_count": 2}]}
        [told] = given(session, line("mcp_connection_status", mcp_connection_status=status))
        assert told == ServerTool("listed", "i1", status["integrations"][0])
