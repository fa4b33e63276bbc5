"""A call with an agent, from its first question to its end."""

from __future__ import annotations

from tests.support.phones import FakeCarrier
from tests.support.tones import heard, spoken
from voicepipe.phone import OpenAIRealtime


def engine(server, **kwargs):
    return OpenAIRealtime(api_key="k", base_url=server.url, **kwargs)


async def conversation(server, *questions: str, carrier="twilio", **agent):
    """Talk with an agent; returns what was heard and how the call ended."""
    async with FakeCarrier(carrier) as far:
        phone = far.phone()
        if server is not None:
            agent.setdefault("engine", engine(server))
        async with phone.serving(phone.agent(**agent), port=0) as door:
            async with await far.call(door.local_url) as call:
                if agent.get("first_message"):
                    await call.until_answered()
                for question in questions:
                    await call.say(spoken(question))
                    await call.until_answered()
                [running] = phone.calls
            return heard(call.heard), await running.result()
