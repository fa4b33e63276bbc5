"""Functions over the GA wire: those that run here, and those that the server runs."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tests.services.openai.realtime.wire_lines import (
    arguments_done,
    happened,
    line,
    ready_session,
    response_created,
    response_done,
    sent,
)
from voicepipe.realtime.events import (
    ApprovalWanted,
    ResponseFinished,
    ServerTool,
    ToolCall,
)


@pytest.mark.usefixtures("both_wires")
class TestTools:
    def test_p7_the_result_goes_out_and_one_response_follows_after_response_done(self):
        session = ready_session()
        session.receive(response_created())
        [call] = session.receive(arguments_done("call_1", "get_weather", '{"city": "Paris"}'))
        assert call == ToolCall("resp_1", "call_1", "get_weather", {"city": "Paris"})
        early = sent(session.send_tool_result("call_1", '{"sky": "clear"}'))
        assert [m["type"] for m in early] == ["conversation.item.create"]
        assert early[0]["item"] | {"id": ""} == {
            "id": "",
            "type": "function_call_output",
            "call_id": "call_1",
            "output": '{"sky": "clear"}',
        }
        done = session.receive(response_done())
        assert happened(done) == [ResponseFinished("resp_1", "completed", calls=("call_1",))]
        assert [m["type"] for m in sent(done)] == ["response.create"]

    def test_parallel_calls_are_followed_by_one_response_after_the_last_answer(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(arguments_done("call_1", "a", "{}"))
        session.receive(arguments_done("call_2", "b", "{}"))
        session.receive(response_done())
        assert [m["type"] for m in sent(session.send_tool_result("call_2", "2"))] == [
            "conversation.item.create"
        ]
        assert [m["type"] for m in sent(session.send_tool_result("call_1", "1"))] == [
            "conversation.item.create",
            "response.create",
        ]

    def test_results_that_want_no_answer_get_none(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(arguments_done("call_1", "a", "{}"))
        session.receive(response_done())
        outputs = sent(session.send_tool_result("call_1", "1", respond=False))
        assert [m["type"] for m in outputs] == ["conversation.item.create"]

    def test_a_call_told_twice_runs_once(self):
        session = ready_session()
        session.receive(response_created())
        item = {"id": "i", "type": "function_call", "call_id": "call_1", "name": "a", "arguments": "{}"}
        assert len(session.receive(arguments_done("call_1", "a", "{}"))) == 1
        assert session.receive(arguments_done("call_1", "a", "{}")) == []
        again = session.receive(line("response.output_item.done", response_id="resp_1", item=item))
        assert not [output for output in again if isinstance(output, ToolCall)]

    def test_a_missing_name_is_taken_from_the_item(self):
        session = ready_session()
        session.receive(response_created())
        item = {"id": "i", "type": "function_call", "call_id": "call_1", "name": "look", "arguments": ""}
        session.receive(line("response.output_item.added", response_id="resp_1", item=item))
        [call] = session.receive(arguments_done("call_1", "", "{}"))
        assert isinstance(call, ToolCall)
        assert call.name == "look"

    @pytest.mark.parametrize("arguments", ["{", "[1]", '"text"'])
    def test_arguments_that_are_no_json_object_are_told_as_a_problem(self, arguments):
        session = ready_session()
        session.receive(response_created())
        [call] = session.receive(arguments_done("call_1", "a", arguments))
        assert isinstance(call, ToolCall)
        assert call.arguments is None
        assert "arguments" in call.problem

    def test_a_result_for_an_unknown_call_is_not_sent(self):
        assert ready_session().send_tool_result("call_9", "x") == []


class TestServerTools:
    """Tools that the server runs itself (protocol page, 11.12)."""

    CALL: ClassVar = {
        "id": "item_m",
        "type": "mcp_call",
        "server_label": "files",
        "name": "read",
        "arguments": "{}",
    }

    def test_their_listing_is_told(self):
        session = ready_session()
        assert session.receive(line("mcp_list_tools.in_progress", item_id="item_l")) == [
            ServerTool("listing", "item_l")
        ]
        assert session.receive(line("mcp_list_tools.completed", item_id="item_l")) == [
            ServerTool("listed", "item_l")
        ]
        assert session.receive(line("mcp_list_tools.failed", item_id="item_l")) == [
            ServerTool("failed", "item_l")
        ]

    def test_a_call_is_told_and_its_result_is_spoken_to(self):
        session = ready_session()
        session.receive(response_created())
        [calling] = session.receive(line("response.output_item.added", response_id="resp_1", item=self.CALL))
        assert calling == ServerTool("calling", "item_m", self.CALL)
        done = {**self.CALL, "output": "text"}
        [called] = session.receive(line("response.output_item.done", response_id="resp_1", item=done))
        assert called == ServerTool("called", "item_m", done)
        [create] = sent(session.receive(response_done(output=[done])))
        assert create["type"] == "response.create"

    def test_a_call_that_was_spoken_to_already_needs_no_further_response(self):
        session = ready_session()
        session.receive(response_created())
        output = [self.CALL, {"id": "item_b", "type": "message"}]
        assert sent(session.receive(response_done(output=output))) == []

    def test_a_failed_call_is_told(self):
        session = ready_session()
        failed = {**self.CALL, "error": {"type": "http_error", "code": 500}}
        [told] = session.receive(line("response.output_item.done", response_id="resp_1", item=failed))
        assert told == ServerTool("failed", "item_m", failed)

    @pytest.mark.parametrize(("approve", "reason"), [(True, ""), (False, "Not that file.")])
    def test_an_approval_is_asked_for_and_given(self, approve, reason):
        session = ready_session()
        item = {**self.CALL, "id": "item_a", "type": "mcp_approval_request"}
        told = session.receive(line("conversation.item.done", item=item, previous_item_id=None))
        assert told[-1] == ApprovalWanted("item_a", "files", "read", "{}")
        [answer] = sent(session.approve("item_a", approve=approve, reason=reason))
        assert answer["item"]["type"] == "mcp_approval_response"
        assert answer["item"]["approval_request_id"] == "item_a"
        assert answer["item"]["approve"] is approve
        assert answer["item"].get("reason", "") == reason
