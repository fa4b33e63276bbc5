"""An agent: what the model is told to do, and what it may do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from voicepipe.agents.history import ChatContext
from voicepipe.agents.tools import FunctionTool, Tool, by_name, tools_of
from voicepipe.errors import VoicepipeError

if TYPE_CHECKING:
    from voicepipe.agents.session import AgentSession


class Agent:
    """Instructions and tools; to be used as it is, or as a base whose methods are tools.

        class Support(Agent):
            def __init__(self) -> None:
                super().__init__(instructions="You help with orders.")

            @function_tool
            async def lookup_order(self, ctx: RunContext, order_id: str) -> str:
                \"\"\"Look up an order.\"\"\"
                return "on its way"

    Args:
        instructions: What the model is to do, and how.
        tools: Functions that it may call, besides the methods that are marked with `@function_tool`.
        id: What it is called in the history; by default the class's name.

    Raises:
        SettingsError: Two tools have the same name, or a function cannot be a tool.
    """

    def __init__(self, *, instructions: str, tools: Iterable[Tool] = (), id: str | None = None) -> None:
        self.id = id or type(self).__name__
        self._instructions = instructions
        self._tools = by_name([*tools_of(self), *tools])
        self._session: AgentSession | None = None

    @property
    def instructions(self) -> str:
        """What the model is to do; `update_instructions` changes it."""
        return self._instructions

    @property
    def tools(self) -> list[FunctionTool]:
        """What the model may call; `update_tools` changes it."""
        return list(self._tools.values())

    @property
    def session(self) -> AgentSession:
        """The session it speaks in.

        Raises:
            VoicepipeError: It speaks in none.
        """
        if self._session is None:
            raise VoicepipeError(f"the agent {self.id} is in no session")
        return self._session

    @property
    def chat_ctx(self) -> ChatContext:
        """What was said in the session so far; a copy."""
        return self._session.history.copy() if self._session is not None else ChatContext.empty()

    async def on_enter(self) -> None:
        """Called when it begins to speak in a session, e.g. to greet; nothing by default."""

    async def on_exit(self) -> None:
        """Called before another agent takes over; nothing by default."""

    async def update_instructions(self, instructions: str) -> None:
        """Change what the model is to do, from here on."""
        self._instructions = instructions
        if self._session is not None:
            await self._session.refresh(self)

    async def update_tools(self, tools: Iterable[Tool]) -> None:
        """Change what the model may call, from here on; methods are not kept unless they are among them.

        Raises:
            SettingsError: Two have the same name, or a function cannot be a tool.
        """
        self._tools = by_name(tools)
        if self._session is not None:
            await self._session.refresh(self)

    def join(self, session: AgentSession | None) -> None:
        """Belong to a session, or to none; the session calls it."""
        self._session = session
