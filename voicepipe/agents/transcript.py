"""A conversation on the terminal, line by line."""

from __future__ import annotations

from voicepipe.agents.events import ConversationItemAddedEvent, ErrorEvent, FunctionToolsExecutedEvent
from voicepipe.agents.session import AgentSession


def print_transcript(session: AgentSession) -> None:
    """Print what is said in a session, which functions run and what goes wrong."""

    def on_item(event: ConversationItemAddedEvent) -> None:
        _print(str(event.item))

    def on_tools(event: FunctionToolsExecutedEvent) -> None:
        for call, output in event.zipped():
            _print(f"{call} = {output.output}")

    def on_error(event: ErrorEvent) -> None:
        _print(f"error: {event}")

    session.on("conversation_item_added", on_item)
    session.on("function_tools_executed", on_tools)
    session.on("error", on_error)


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - it is what the command line shows
