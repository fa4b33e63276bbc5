"""All that an agent's session tells while it goes on: states, words, tools, usage, its end.

Started as `python examples/agent_events.py console --local --wav question.wav`, it needs no key and no network.
"""

from voicepipe.agents import Agent, AgentServer, AgentSession, function_tool, realtime

server = AgentServer()


class Support(Agent):
    """Answers the telephone."""

    def __init__(self) -> None:
        super().__init__(instructions="You are the support of a shop.")

    @function_tool()
    async def get_order_status(self, order_id: str) -> dict[str, str]:
        """Look up where an order is; order_id is its number, digits only."""
        return {"order": order_id, "status": "on its way"}


def tell(session: AgentSession) -> None:
    """Print each event on a line of its own."""

    @session.on("user_state_changed")
    def on_user(event) -> None:
        print(f"user: {event.old_state} -> {event.new_state}")

    @session.on("agent_state_changed")
    def on_agent(event) -> None:
        print(f"agent: {event.old_state} -> {event.new_state}")

    @session.on("user_input_transcribed")
    def on_words(event) -> None:
        print(f"heard: {event.transcript}" if event.is_final else f"hearing: {event.transcript}")

    @session.on("function_tools_executed")
    def on_tools(event) -> None:
        for call, output in event.zipped():
            print(f"tool: {call.name}({call.arguments}) gave {output.output}")

    @session.on("conversation_item_added")
    def on_item(event) -> None:
        print(f"history: {event.item}")

    @session.on("error")
    def on_error(event) -> None:
        print(f"error: {event.error.message}, recoverable: {event.error.recoverable}")

    @session.on("close")
    def on_close(event) -> None:
        print(f"closed: {event.reason}")


@server.rtc_session
async def entrypoint(session: AgentSession) -> None:
    tell(session)
    model = realtime.RealtimeModel(turn_detection=realtime.ServerVad(silence_duration_ms=300))
    await session.start(agent=Support(), room=session.room, llm=model)


if __name__ == "__main__":
    server.run()
