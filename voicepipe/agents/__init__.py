"""Agents: instructions and tools, a session with somebody in a room, and a server that makes sessions.

    from voicepipe.agents import Agent, AgentServer, AgentSession, realtime

    server = AgentServer()

    @server.rtc_session
    async def entrypoint(session: AgentSession) -> None:
        await session.start(agent=Agent(instructions="You help."), room=session.room, llm=realtime.RealtimeModel())

    if __name__ == "__main__":
        server.run()

`python bot.py console` talks with it.
"""

from voicepipe.agents import elevenlabs, realtime, realtime_beta
from voicepipe.agents.agent import Agent
from voicepipe.agents.events import (
    AgentStateChangedEvent,
    CloseEvent,
    ConversationItemAddedEvent,
    ErrorEvent,
    FunctionToolsExecutedEvent,
    MetricsCollectedEvent,
    SessionUsageUpdatedEvent,
    SpeechCreatedEvent,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
)
from voicepipe.agents.history import (
    AgentHandoff,
    ChatContext,
    ChatMessage,
    FunctionCall,
    FunctionCallOutput,
)
from voicepipe.agents.job import JobContext
from voicepipe.agents.model import Capabilities
from voicepipe.agents.run_context import RunContext, StopResponse, ToolError
from voicepipe.agents.run_result import RunResult
from voicepipe.agents.server import AgentServer, rtc_session
from voicepipe.agents.session import AgentSession
from voicepipe.agents.silent_room import SilentRoom
from voicepipe.agents.speech import SpeechHandle
from voicepipe.agents.tools import FunctionTool, function_tool

__all__ = [
    "Agent",
    "AgentHandoff",
    "AgentServer",
    "AgentSession",
    "AgentStateChangedEvent",
    "Capabilities",
    "ChatContext",
    "ChatMessage",
    "CloseEvent",
    "ConversationItemAddedEvent",
    "ErrorEvent",
    "FunctionCall",
    "FunctionCallOutput",
    "FunctionTool",
    "FunctionToolsExecutedEvent",
    "JobContext",
    "MetricsCollectedEvent",
    "RunContext",
    "RunResult",
    "SessionUsageUpdatedEvent",
    "SilentRoom",
    "SpeechCreatedEvent",
    "SpeechHandle",
    "StopResponse",
    "ToolError",
    "UserInputTranscribedEvent",
    "UserStateChangedEvent",
    "elevenlabs",
    "function_tool",
    "realtime",
    "realtime_beta",
    "rtc_session",
]
