"""A telephone number that a bot answers, which looks up orders, hands over to people, and hangs up.

Needs TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and OPENAI_API_KEY, and a tunnel or proxy with TLS to port 8000 whose address the
number has as its voice webhook, as https://<address>/twilio/voice does. `--local` has a Twilio on this machine bring a call.
"""

import asyncio
import sys

from voicepipe import openai_or_local
from voicepipe.local.carriers import LocalCarrier
from voicepipe.phone import Call, CallHooks, OpenAIRealtime, Phone, Twilio, end_call, guardrail, transfer_call


async def get_order_status(order_id: str) -> dict[str, str]:
    """Where an order is.

    Args:
        order_id: The order's number.
    """
    return {"order": order_id, "status": "on its way"}


def show(call: Call, turn) -> None:
    """Print what is said."""
    print(f"{call.id} {turn.role}: {turn.text}")


def agent_of(phone: Phone, engine: OpenAIRealtime):
    return phone.agent(
        engine=engine,
        system_prompt="You answer the phone of {shop}. Be brief. End the call when the caller is done.",
        variables={"shop": "the Corner Shop"},
        first_message="Hello, this is {shop}!",
        tools=[get_order_status, end_call(), transfer_call({"a person": "+15550005678"}, mode="warm")],
        guardrails=[guardrail("no promises", ["refund"], replacement="A person will have to decide that.")],
        hooks=CallHooks(on_transcript=show),
        max_call_secs=600,
        max_call_message="I am sorry, our time is up. Goodbye!",
    )


async def main() -> None:
    phone = Phone(carrier=Twilio(), phone_number="+15550001234")
    await phone.serve(agent_of(phone, OpenAIRealtime(voice="coral")))


async def locally() -> str:
    """Returns what the caller heard."""
    async with openai_or_local(local=True) as openai, LocalCarrier("twilio", "token") as carrier:
        twilio = Twilio("AC" + "0" * 32, "token", api_url=carrier.api_url)
        phone = Phone(carrier=twilio, phone_number="+15550001234")
        agent = agent_of(phone, OpenAIRealtime(api_key=openai.api_key, base_url=openai.base_url))
        async with phone.serving(agent, port=0) as door, await carrier.call(door.local_url) as call:
            await call.until_answered()
            await call.say(openai.spoken("Where is order seven?"))
            await call.until_answered()
        return openai.understood(call.heard)


if __name__ == "__main__":
    asyncio.run(locally() if "--local" in sys.argv else main())
