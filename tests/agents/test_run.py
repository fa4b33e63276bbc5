"""`session.run`: a turn in writing, and what a test can ask about it."""

from __future__ import annotations

import pytest

from tests.agents.calls import ENGINES, engine, local
from tests.agents.tone_services import ScriptLLM, cascade
from voicepipe.agents import Agent, AgentSession, SilentRoom, ToolError, function_tool
from voicepipe.errors import VoicepipeError

pytestmark = pytest.mark.virtual_time


class Sales(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="answer: This is sales.")


class Welcoming(Sales):
    async def on_enter(self) -> None:
        await self.session.say("Welcome to sales.")


class Orders(Agent):
    def __init__(self, then: Agent | None = None) -> None:
        super().__init__(instructions="You help with orders.")
        self._then = then

    @function_tool
    async def get_order_status(self, order_id: str) -> object:
        """Look up an order."""
        if order_id == "9":
            raise ToolError("no such order")
        return self._then or {"status": "on its way"}


@pytest.mark.parametrize("name", ENGINES)
async def test_a_turn_in_writing_has_its_calls_its_outputs_and_its_words(name):
    async with (
        engine(name, "get_order_status") as here,
        AgentSession(llm=here.model()) as session,
    ):
        await session.start(Orders(), room=SilentRoom())
        result = await session.run(user_input="where is order 42")
        expect = result.expect
        expect.next_event().is_function_call(name="get_order_status", arguments={"order_id": "42"})
        expect.next_event().is_function_call_output(output='{"status":"on its way"}', is_error=False)
        said = expect.next_event().is_message(role="assistant")
        expect.no_more_events()
        assert str(said.event) == "message: assistant: Your order 42 is on its way."
        again = await session.run(user_input="hello")
        assert [str(event.item) for event in again.events] == ["assistant: Hello! How can I help you?"]
        assert again.done()


async def test_a_chain_of_services_can_be_asked_as_well():
    parts = cascade()
    async with AgentSession(llm=parts.pop("llm"), turns=parts["turns"]) as session:
        await session.start(Orders(), room=SilentRoom())
        result = await session.run(user_input="where is order 42")
        result.expect.contains_function_call(name="get_order_status")
        result.expect.contains_message(role="assistant")


@pytest.mark.parametrize("then", [Sales, Welcoming])
async def test_a_hand_over_is_part_of_the_turn_with_what_the_other_agent_says(then):
    async with local() as here, AgentSession(llm=here.model()) as session:
        await session.start(Orders(then()), room=SilentRoom())
        result = await session.run(user_input="where is order 42")
        result.expect.next_event(type="agent_handoff").is_agent_handoff(new_agent_type=then)
        result.expect.contains_agent_handoff(new_agent_type=Sales)
        words = "This is sales." if then is Sales else "Welcome to sales."
        assert str(result.events[-1].item) == f"assistant: {words}"


async def test_a_turn_begins_when_the_greeting_is_over():
    async with local() as here, AgentSession(llm=here.model()) as session:
        await session.start(Welcoming(), room=SilentRoom())
        result = await session.run(user_input="hello")
        assert [str(event.item) for event in result.events] == ["assistant: This is sales."]


async def test_what_is_not_so_is_said_with_all_events():
    async with local() as here, AgentSession(llm=here.model()) as session:
        await session.start(Orders(), room=SilentRoom())
        result = session.run(user_input="where is order 9")
        with pytest.raises(VoicepipeError, match="await what `run` returned"):
            _ = result.events
        assert not result.done()
        expect = (await result).expect
    assert expect.skip_next_event_if(type="message") is None
    assert expect.skip_next_event_if(type="function_call") is not None
    expect.contains_function_call_output(is_error=True)
    for asks, why in (
        (expect[0].is_message, "is no message\n> 0: function_call"),
        (lambda: expect[0].is_function_call(name="other"), "is no call of other"),
        (lambda: expect[0].is_function_call(arguments={"order_id": "8"}), "order_id is not '8'"),
        (expect[0].is_agent_handoff, "is no hand-over"),
        (lambda: expect[1].is_function_call_output(output="x"), "is not 'x'"),
        (lambda: expect[2].is_message(role="user"), "is not user's"),
        (lambda: expect[7], "there is no event 7"),
        (expect.no_more_events, "there are further events\n  0: .*\n> 1: "),
        (lambda: expect.skip_next(3), "there are no 3 further events"),
        (lambda: expect.next_event(type="agent_handoff"), "there is no further agent_handoff"),
        (lambda: expect.contains_message(role="user"), "is not user's"),
    ):
        with pytest.raises(AssertionError, match=why):
            asks()
    expect.skip_next(2).no_more_events()


async def test_a_language_model_can_judge_a_message():
    class Judge(ScriptLLM):
        async def run_inference(self, context, *args, **kwargs):
            [question] = context.get_messages()
            good = "greets the user" in question["content"] and "Hello!" in question["content"]
            return "PASS It says hello." if good else "FAIL It does not."

    async with local() as here, AgentSession(llm=here.model()) as session:
        await session.start(Agent(instructions=""), room=SilentRoom())
        result = await session.run(user_input="hello")
    message = result.expect.next_event().is_message(role="assistant")
    await message.judge(Judge(), intent="greets the user")
    with pytest.raises(AssertionError, match="FAIL It does not"):
        await message.judge(Judge(), intent="says goodbye")


async def test_a_session_that_ends_meanwhile_is_an_error():
    session = AgentSession()
    async with local() as here:
        await session.start(Agent(instructions=""), room=SilentRoom(), llm=here.model())
        result = session.run(user_input="count to twenty")
        await session.aclose()
        with pytest.raises(VoicepipeError, match="ended before the turn was over"):
            await result
    with pytest.raises(VoicepipeError, match="does not run"):
        session.run(user_input="hello")
