"""A context and a session: what is news, and where a late transcript belongs (promise P-16)."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from pipecat.processors.aggregators.async_tool_messages import (
    build_final_result_message,
    build_intermediate_result_message,
    build_started_message,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from voicepipe.realtime.context_sync import ContextSync, put_in_order
from voicepipe.realtime.history import History


def said(context: LLMContext) -> list[str]:
    return [str(message.get("content") or message.get("tool_calls")) for message in context.get_messages()]  # type: ignore[union-attr]


def news(sync: ContextSync, context: LLMContext, history: History | None = None) -> list[str]:
    return [message.text for message in sync.news(context, history or History())]


def user(text: str) -> Any:
    return {"role": "user", "content": text}


def bot(text: str) -> Any:
    return {"role": "assistant", "content": text}


def test_each_message_is_news_once():
    sync, context = ContextSync(), LLMContext([user("A")])
    assert news(sync, context) == ["A"]
    context.add_message(user("B"))
    assert news(sync, context) == ["B"]
    assert news(sync, context) == []


def test_the_same_words_written_again_are_news_again():
    sync, context = ContextSync(), LLMContext([user("A")])
    news(sync, context)
    context.add_message(user("A"))
    assert news(sync, context) == ["A"]


def test_a_turn_that_an_aggregator_wrote_is_no_news():
    sync, context = ContextSync(), LLMContext()
    sync.turn_written("user", "hello")
    context.add_message(user("hello"))
    assert news(sync, context) == []
    assert sync.last_user_turn() == "hello"
    sync.forget_turns()
    assert sync.last_user_turn() is None


def test_an_answer_of_the_sessions_is_no_news_whenever_it_is_written():
    history = History()
    history.says("b", "Hello! How can I help you?")
    sync, context = ContextSync(), LLMContext([bot("Hello!"), bot("Something of the application's.")])
    assert news(sync, context, history) == ["Something of the application's."]


def test_messages_the_session_was_told_before_are_no_news():
    sync, message = ContextSync(), user("A")
    sync.saw([message])
    assert news(sync, LLMContext([message])) == []


def test_an_image_goes_with_its_words_and_one_that_was_shown_is_no_news():
    seen = LLMContext.create_image_url_message(url="data:image/png;base64,AA==", text="What is it?")
    sync, context = ContextSync(), LLMContext([seen, dict(seen)])
    sync.shown("What is it?")
    [message] = sync.news(context, History())
    assert (message.text, message.images) == ("What is it?", ("data:image/png;base64,AA==",))


class TestCalls:
    CALL: ClassVar[dict[str, Any]] = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
        ],
    }
    TOLD = 'The function weather was called with {"city": "Oslo"} and gave: {"t": 21}'

    def result(self, content: Any = '{"t": 21}', call_id: str = "c1") -> Any:
        return {"role": "tool", "tool_call_id": call_id, "content": content}

    def test_what_a_function_gave_in_another_session_is_told_in_words(self):
        context = LLMContext([user("Warm?"), self.CALL, self.result(), bot("Yes.")])
        [question, told, answer] = ContextSync().news(context, History())
        assert (told.role, told.text) == ("system", self.TOLD)
        assert (question.text, answer.text) == ("Warm?", "Yes.")

    def test_what_it_gave_in_the_background_as_well(self):
        started, final = build_started_message("c1"), build_final_result_message("c1", '{"t": 21}')
        assert news(ContextSync(), LLMContext([self.CALL, started, final])) == [self.TOLD]

    def test_the_sessions_own_calls_are_no_news_whatever_is_written_of_them(self):
        history = History()
        history.called("c1", "weather", "{}")
        written = [
            self.CALL,
            self.result(),
            build_started_message("c1"),
            build_intermediate_result_message("c1", "half"),
            build_final_result_message("c1", "all"),
        ]
        assert news(ContextSync(), LLMContext(written), history) == []

    @pytest.mark.parametrize("content", ["IN_PROGRESS", "", None])
    def test_one_that_runs_has_given_nothing(self, content):
        assert news(ContextSync(), LLMContext([self.CALL, self.result(content)])) == []

    def test_words_beside_a_call_are_told(self):
        assert news(ContextSync(), LLMContext([{**self.CALL, "content": "I look."}])) == ["I look."]

    def test_a_result_of_a_call_that_nobody_made_is_left_out(self):
        assert news(ContextSync(), LLMContext([self.result(call_id="c9")])) == []


class TestOrder:
    def history(self) -> History:
        history = History()
        history.said("u1", "user", "One?")
        history.says("b1", "First.")
        history.said("u2", "user", "Two?")
        history.says("b2", "Second.")
        return history

    def test_p16_a_turn_written_after_the_answer_to_it_is_put_before_it(self):
        context = LLMContext([user("One?"), bot("First."), bot("Second."), user("Two?")])
        assert put_in_order(context, self.history(), "Two?")
        assert said(context) == ["One?", "First.", "Two?", "Second."]

    def test_one_that_stands_where_it_belongs_stays(self):
        history = self.history()
        history.said("u3", "user", "Three?")
        context = LLMContext([user("One?"), bot("First."), user("Two?"), bot("Second."), user("Three?")])
        assert not put_in_order(context, history, "Three?")
        assert said(context)[-1] == "Three?"

    def test_p16_it_stands_before_the_calls_that_led_to_the_answer(self):
        calls = {
            "role": "assistant",
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
        }
        result = {"role": "tool", "tool_call_id": "c", "content": "x"}
        messages: list[Any] = [user("One?"), bot("First."), calls, result, bot("Second."), user("Two?")]
        context = LLMContext(messages)
        assert put_in_order(context, self.history(), "Two?")
        roles = [message["role"] for message in context.get_messages()]  # type: ignore[index]
        assert roles == ["user", "assistant", "user", "assistant", "tool", "assistant"]

    @pytest.mark.parametrize("messages", [[], [bot("First.")], [user("Another.")]])
    def test_a_context_without_it_is_left_alone(self, messages):
        assert not put_in_order(LLMContext(messages), self.history(), "Two?")
