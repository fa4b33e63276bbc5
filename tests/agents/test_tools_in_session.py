"""Tools in a running session: fast, slow, failing, handing over, cut by a barge-in."""

from __future__ import annotations

import asyncio

import pytest

from tests.agents.calls import call, caller, local, watch
from tests.support.tones import heard_in, spoken
from voicepipe.agents import Agent, AgentSession, RunContext, ToolError, function_tool
from voicepipe.agents.history import AgentHandoff, FunctionCall, FunctionCallOutput
from voicepipe.local import Pace
from voicepipe.realtime.fillers import Filler
from voicepipe.transports.wav_file import Question


class Orders(Agent):
    """The agent of the document, with the tool's name as the local script has it."""

    def __init__(self, secs: float = 0.0) -> None:
        super().__init__(instructions="Use the tool when customers ask about an order.")
        self.asked: list[str] = []
        self.cancelled = False
        self._secs = secs

    @function_tool()
    async def get_order_status(self, ctx: RunContext, order_id: str) -> dict[str, str]:
        """Look up the status of a customer order by order ID."""
        assert ctx.agent is self
        self.asked.append(order_id)
        try:
            await asyncio.sleep(self._secs)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return {"status": "on its way"}


@pytest.mark.virtual_time
async def test_a_tool_is_called_with_its_arguments_and_its_result_is_spoken(tmp_path):
    agent, session = Orders(), AgentSession()
    seen = watch(session)
    async with local() as here:
        room = caller("where is order four two", answer_path=tmp_path / "answer.wav")
        await call(session, agent, room, here.model())
        [tool] = here.wire.sent("session.update")[0]["session"]["tools"]
    assert tool["description"] == "Look up the status of a customer order by order ID."
    assert tool["parameters"]["required"] == ["order_id"]
    assert agent.asked == ["42"]
    assert heard_in(tmp_path / "answer.wav") == "Your order 42 is on its way."
    [event] = seen.of("function_tools_executed")
    [(made, output)] = event.zipped()
    assert (made.name, made.arguments) == ("get_order_status", '{"order_id": "42"}')
    assert (output.output, output.is_error) == ('{"status":"on its way"}', False)
    assert [type(item).__name__ for item in session.history.items] == [
        "ChatMessage",
        "FunctionCall",
        "FunctionCallOutput",
        "ChatMessage",
    ]
    assert seen.of("agent_state_changed") == ["listening", "thinking", "speaking", "listening"]


@pytest.mark.virtual_time
async def test_a_slow_tool_is_silence_of_its_own_length_and_a_filler_breaks_it(tmp_path):
    texts: dict[str, str] = {}
    for name, filler in {
        "silent": None,
        "filled": Filler(500, "Say exactly the following words and nothing else: One moment."),
    }.items():
        async with local() as here:
            room = caller("order four two", answer_path=tmp_path / f"{name}.wav")
            agent, session = Orders(secs=3.0), AgentSession()
            seen = watch(session)
            await call(session, agent, room, here.model(tool_filler=filler))
            texts[name] = heard_in(tmp_path / f"{name}.wav")
            [thinking, *_] = [event for event in seen.of("agent_state_changed") if event == "thinking"]
            assert thinking.old_state == "listening"
    assert texts == {
        "silent": "Your order 42 is on its way.",
        "filled": "One moment. Your order 42 is on its way.",
    }


@pytest.mark.virtual_time
@pytest.mark.parametrize("word", ["ToolError", "ValueError"])
async def test_what_a_tool_raises_is_told_to_the_model_and_the_session_goes_on(tmp_path, word):
    @function_tool
    async def get_order_status(order_id: str) -> str:
        """Look up an order."""
        if word == "ToolError":
            raise ToolError("no such order")
        raise ValueError("the password of the database is hunter2")

    session = AgentSession()
    seen = watch(session)
    async with local() as here:
        room = caller("order four two", "hello", answer_path=tmp_path / "answer.wav")
        await call(session, Agent(instructions="", tools=[get_order_status]), room, here.model(), turns=None)
        [output] = [
            event["item"]["output"]
            for event in here.wire.sent("conversation.item.create")
            if event["item"]["type"] == "function_call_output"
        ]
    why = "no such order" if word == "ToolError" else "get_order_status failed"
    assert output == f'{{"error":"{why}"}}'
    assert heard_in(tmp_path / "answer.wav") == f"That did not work: {why}. Hello! How can I help you?"
    assert seen.of("function_tools_executed")[0].function_call_outputs[0].is_error


@pytest.mark.virtual_time
async def test_arguments_that_do_not_fit_go_back_to_the_model_by_name(tmp_path):
    called = False

    @function_tool
    async def get_order_status(order_id: str, day: int) -> str:
        """Look up an order."""
        nonlocal called
        called = True
        return ""

    async with local() as here:
        room = caller("order four two", answer_path=tmp_path / "answer.wav")
        await call(AgentSession(), Agent(instructions="", tools=[get_order_status]), room, here.model())
    assert not called
    assert "day: Field required" in heard_in(tmp_path / "answer.wav")


@pytest.mark.virtual_time
async def test_a_function_that_is_not_async_runs_beside_the_sound_of_others():
    # In a thread, so not on the virtual clock's account: it returns at once.
    @function_tool
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    assert add(1) == 3
    assert await add.run(None, {"a": "4"}) == 6


@pytest.mark.virtual_time
async def test_a_barge_in_cancels_a_tool_and_the_model_is_told(tmp_path):
    agent, session = Orders(secs=30.0), AgentSession()
    async with local(pace=Pace(speed=1.1)) as here:
        # The tool runs while the caller goes on to speak.
        room = caller(
            "order four two",
            Question(spoken("hello")),
            answer_path=tmp_path / "answer.wav",
            answer_timeout_secs=2.0,
        )
        await call(session, agent, room, here.model())
        outputs = [
            event["item"]["output"]
            for event in here.wire.sent("conversation.item.create")
            if event["item"]["type"] == "function_call_output"
        ]
    assert agent.cancelled
    assert outputs == ["CANCELLED"]
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"


class Sales(Agent):
    def __init__(self, *, greets: bool = False) -> None:
        super().__init__(instructions="answer: This is sales.", id="sales")
        self.greets = greets


class Greeting(Sales):
    async def on_enter(self) -> None:
        await self.session.generate_reply(instructions="answer: Sales, welcome.")


class Desk(Agent):
    def __init__(self, then: Agent, result: str | None = None) -> None:
        super().__init__(instructions="You are at the desk.")
        self._then = then
        self._result = result
        self.left = 0

    async def on_exit(self) -> None:
        self.left += 1

    @function_tool
    async def get_order_status(self, order_id: str) -> object:
        """Hand over."""
        return self._then if self._result is None else (self._then, self._result)


@pytest.mark.virtual_time
@pytest.mark.parametrize("result", [None, "sales has been told"])
async def test_a_tool_that_returns_an_agent_hands_the_conversation_over(tmp_path, result):
    sales, session = Sales(), AgentSession()
    desk = Desk(sales, result)
    seen = watch(session)
    async with local() as here:
        room = caller("order four two", "hello", answer_path=tmp_path / "answer.wav")
        await session.start(agent=desk, room=room, llm=here.model())
        assert desk.session is session
        await session.wait_closed()
        updates = [event["session"] for event in here.wire.sent("session.update")]
        assert not here.wire.errors()
    assert heard_in(tmp_path / "answer.wav") == "This is sales. This is sales."
    assert session.current_agent is sales
    assert desk.left == 1
    assert updates[1]["tools"] == []
    [handoff] = [item for item in session.history.items if isinstance(item, AgentHandoff)]
    assert (handoff.old_agent_id, handoff.new_agent_id) == ("Desk", "sales")
    assert str(seen.of("conversation_item_added")[1]) == "Desk hands over to sales"
    [output] = [item for item in session.history.items if isinstance(item, FunctionCallOutput)]
    assert output.output == (result or "sales takes over.")


@pytest.mark.virtual_time
async def test_an_agent_that_greets_when_it_enters_is_not_made_to_speak_twice(tmp_path):
    session = AgentSession()
    async with local() as here:
        room = caller("order four two", answer_path=tmp_path / "answer.wav")
        await call(session, Desk(Greeting()), room, here.model())
        assert not here.wire.errors()
    assert heard_in(tmp_path / "answer.wav") == "Sales, welcome."


@pytest.mark.virtual_time
async def test_a_handler_can_cancel_the_hand_over_and_the_reply(tmp_path):
    session = AgentSession()

    @session.on("function_tools_executed")
    def on_tools(event):
        event.cancel_agent_handoff()
        event.cancel_tool_reply()

    desk = Desk(Sales())
    async with local() as here:
        room = caller("order four two", "hello", answer_path=tmp_path / "answer.wav", answer_timeout_secs=3.0)
        await call(session, desk, room, here.model())
    assert session.current_agent is desk
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"


@pytest.mark.virtual_time
async def test_update_agent_hands_over_from_outside(tmp_path):
    session, desk, sales = AgentSession(), Desk(Sales()), Sales()
    async with local() as here:
        room = caller("hello", answer_path=tmp_path / "answer.wav")
        await session.start(agent=desk, room=room, llm=here.model())
        await session.update_agent(sales)
        assert session.current_agent is sales
        await session.wait_closed()
    assert heard_in(tmp_path / "answer.wav") == "This is sales."
    assert not [item for item in session.history.items if isinstance(item, FunctionCall)]


@pytest.mark.virtual_time
async def test_instructions_and_tools_change_while_the_agent_speaks(tmp_path):
    session, agent = AgentSession(), Orders()
    async with local() as here:
        room = caller("order four two", answer_path=tmp_path / "answer.wav")
        await session.start(agent=agent, room=room, llm=here.model())
        await agent.update_tools([])
        await agent.update_instructions("answer: Not today.")
        await session.wait_closed()
        assert [list(event["session"]) for event in here.wire.sent("session.update")[1:]] == [
            ["type", "tools"],
            ["type", "instructions"],
        ]
    assert heard_in(tmp_path / "answer.wav") == "Not today."
