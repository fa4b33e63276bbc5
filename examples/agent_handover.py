"""One agent hands over to another: a tool returns the colleague, who begins where the first one stopped.

Started as `python examples/agent_handover.py console --local --wav question.wav`, it needs no key and no network.
"""

from dataclasses import dataclass

from voicepipe.agents import Agent, AgentServer, AgentSession, RunContext, function_tool, realtime

server = AgentServer()


@dataclass
class Caller:
    """What the agents of a conversation know of the caller."""

    order_id: str = ""


class Shipping(Agent):
    """Takes over when it is about a parcel."""

    def __init__(self) -> None:
        super().__init__(instructions="You are from shipping. You know where parcels are.")

    async def on_enter(self) -> None:
        order_id = self.session.userdata.order_id
        self.session.say(f"This is shipping. Order {order_id} leaves today.")


class Reception(Agent):
    """Finds out what it is about."""

    def __init__(self) -> None:
        super().__init__(instructions="You find out what it is about. Look up an order if they ask for one.")

    @function_tool()
    async def get_order_status(self, ctx: RunContext, order_id: str) -> Agent:
        """Look up where an order is; order_id is its number, digits only."""
        ctx.session.userdata.order_id = order_id
        return Shipping()


@server.rtc_session
async def entrypoint(session: AgentSession) -> None:
    session.userdata = Caller()

    @session.on("conversation_item_added")
    def on_item(event) -> None:
        print(event.item)

    await session.start(
        agent=Reception(),
        room=session.room,
        llm=realtime.RealtimeModel(turn_detection=realtime.ServerVad(silence_duration_ms=300)),
    )


if __name__ == "__main__":
    server.run()
