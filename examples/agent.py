"""An agent with a tool, and a colleague to hand over to.

Started as `python examples/agent.py console --local --wav question.wav`, it needs no key and no network.
"""

from voicepipe.agents import Agent, AgentServer, AgentSession, RunContext, ToolError, function_tool, realtime

ORDERS = {"42": "on its way", "7": "waiting for payment"}

server = AgentServer()


class Returns(Agent):
    """Takes over when somebody wants to send something back."""

    def __init__(self) -> None:
        super().__init__(instructions="You help customers who want to send something back.")

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Say that you are from returns and ask what is wrong.")


class Support(Agent):
    """Answers the telephone."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You are the support of a shop. Hand over to returns when they want to send something back."
        )

    @function_tool()
    async def get_order_status(self, ctx: RunContext, order_id: str) -> dict[str, str]:
        """Look up where an order is; order_id is its number, digits only."""
        if order_id not in ORDERS:
            raise ToolError(f"there is no order {order_id}")
        ctx.session.userdata = order_id
        return {"status": ORDERS[order_id]}

    @function_tool()
    async def transfer_to_returns(self) -> Agent:
        """Hand over to the colleagues who take things back."""
        return Returns()


@server.rtc_session
async def entrypoint(session: AgentSession) -> None:
    @session.on("agent_state_changed")
    def on_state(state: str) -> None:
        print(f"[{state}]")

    await session.start(
        agent=Support(),
        room=session.room,
        llm=realtime.RealtimeModel(turn_detection=realtime.ServerVad(silence_duration_ms=300)),
    )


if __name__ == "__main__":
    server.run()
