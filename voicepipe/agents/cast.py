"""Who speaks in a session: the agent, its tools, and one agent after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from voicepipe.agents.activity import Activity
from voicepipe.agents.agent import Agent
from voicepipe.agents.engine import Chronicle, Engine
from voicepipe.agents.events import ConversationItemAddedEvent, FunctionToolsExecutedEvent
from voicepipe.agents.history import AgentHandoff, FunctionCall
from voicepipe.agents.rounds import Outcome, Rounds
from voicepipe.agents.run_context import RunContext
from voicepipe.agents.speech import Speeches
from voicepipe.agents.tasks import Tasks
from voicepipe.agents.tools import FunctionTool
from voicepipe.errors import VoicepipeError

if TYPE_CHECKING:
    from voicepipe.agents.session import AgentSession


class Cast:
    """Keeps the agent of a session, and makes hand-overs.

    Args:
        session: The session.
        tools: What all agents may call, by name.
        chronicle: The history.
        activity: Tells which functions run.
        speeches: Tells when that changes.
        tasks: Owns what agents do when they enter.
    """

    def __init__(
        self,
        session: AgentSession,
        tools: Mapping[str, FunctionTool],
        *,
        chronicle: Chronicle,
        activity: Activity,
        speeches: Speeches,
        tasks: Tasks,
    ) -> None:
        self.rounds = Rounds(self._context_of, self._round_is_over)
        """Runs tools."""
        self._session = session
        self._tools = tools
        self._chronicle = chronicle
        self._activity = activity
        self._speeches = speeches
        self._tasks = tasks
        self._agent: Agent | None = None
        self._known: dict[str, Agent] = {}
        self._entering = 0
        self._engine: Engine | None = None

    @property
    def agent(self) -> Agent:
        """Who speaks.

        Raises:
            VoicepipeError: Nobody does yet.
        """
        if self._agent is None:
            raise VoicepipeError("the session has no agent before it is started")
        return self._agent

    @property
    def is_entering(self) -> bool:
        """Whether an agent's `on_enter` runs."""
        return self._entering > 0

    def named(self, agent_id: str) -> Agent | None:
        """Return the agent of an id that has spoken in the session."""
        return self._known.get(agent_id)

    @property
    def tools(self) -> list[FunctionTool]:
        """What all agents may call."""
        return list(self._tools.values())

    def tools_of(self, agent: Agent) -> list[FunctionTool]:
        """Return what an agent may call; its own go before the session's of the same name."""
        return list({**self._tools, **{tool.name: tool for tool in agent.tools}}.values())

    def begin(self, engine: Engine, agent: Agent) -> None:
        """Have the first agent enter; the engine knows it already."""
        self._engine = engine
        self._take_over(agent, frozenset())

    def close(self) -> None:
        """Nobody speaks any more."""
        if self._agent is not None:
            self._agent.join(None)

    async def refresh(self, agent: Agent) -> None:
        """Take over what has changed about an agent; nothing if it does not speak."""
        if self._engine is not None and agent is self._agent:
            await self._engine.become(agent, self.tools_of(agent))

    async def hand_over(self, agent: Agent, *, after: frozenset[str] = frozenset()) -> None:
        """Have another agent take over; nothing if it speaks already.

        Args:
            agent: The other agent.
            after: Function calls whose results the model must know before the agent enters.
        """
        old = self.agent
        if agent is old or self._engine is None:
            return
        await old.on_exit()
        await self._engine.become(agent, self.tools_of(agent))
        old.join(None)
        handoff = AgentHandoff(old_agent_id=old.id, new_agent_id=agent.id)
        self._chronicle.add(handoff)
        self._take_over(agent, after)
        self._session.emit("conversation_item_added", ConversationItemAddedEvent(item=handoff))

    def _take_over(self, agent: Agent, after: frozenset[str]) -> None:
        self._agent = self._known[agent.id] = agent
        self._entering += 1
        agent.join(self._session)
        self._tasks.start(self._enter(agent, after), f"{agent.id}.on_enter")

    async def _enter(self, agent: Agent, after: frozenset[str]) -> None:
        try:
            await self._speeches.until(lambda: not self._activity.runs_any_of(after))
            await agent.on_enter()
        finally:
            self._entering -= 1
            self._speeches.changed()

    def _context_of(self, tool: FunctionTool, call: FunctionCall) -> RunContext:
        owner = tool.owner if isinstance(tool.owner, Agent) else self.agent
        return RunContext(session=self._session, agent=owner, function_call=call)

    async def _round_is_over(self, outcomes: list[Outcome]) -> None:
        agents = [outcome.agent for outcome in outcomes if outcome.agent is not None]
        event = FunctionToolsExecutedEvent(
            function_calls=[outcome.call for outcome in outcomes],
            function_call_outputs=[outcome.output for outcome in outcomes],
            has_agent_handoff=bool(agents),
        )
        if self._engine is not None:
            self._engine.executed(outcomes)
        self._session.emit("function_tools_executed", event)
        if agents and event.has_agent_handoff:
            calls = frozenset(outcome.call.call_id for outcome in outcomes)
            await self.hand_over(agents[-1], after=calls)
            # An agent that has something to say when it enters is not to be made to speak twice.
            event.has_tool_reply = event.has_tool_reply and type(agents[-1]).on_enter is Agent.on_enter
        for outcome in outcomes:
            outcome.replies = outcome.replies and event.has_tool_reply
