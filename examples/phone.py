"""A telephone number that a bot answers, which looks up orders, hands over to people, and hangs up.

Needs TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and OPENAI_API_KEY, and a tunnel or proxy with TLS to port 8000 whose address the
number has as its voice webhook, as https://<address>/twilio/voice does.
"""

import asyncio

from voicepipe.phone import (
    Call,
    CallHooks,
    OpenAIRealtime,
    Phone,
    Turn,
    Twilio,
    end_call,
    guardrail,
    transfer_call,
)

phone = Phone(carrier=Twilio(), phone_number="+15550001234")


async def get_order_status(order_id: str) -> dict[str, str]:
    """Where an order is.

    Args:
        order_id: The order's number.
    """
    return {"order": order_id, "status": "on its way"}


def show(call: Call, turn: Turn) -> None:
    """Print what is said."""
    print(f"{call.id} {turn.role}: {turn.text}")


agent = phone.agent(
    engine=OpenAIRealtime(voice="coral"),
    system_prompt="You answer the phone of {shop}. Be brief. End the call when the caller is done.",
    variables={"shop": "the Corner Shop"},
    first_message="Hello, this is {shop}!",
    tools=[get_order_status, end_call(), transfer_call({"a person": "+15550005678"}, mode="warm")],
    guardrails=[guardrail("no promises", ["refund"], replacement="A person will have to decide that.")],
    hooks=CallHooks(on_transcript=show),
    max_call_secs=600,
    max_call_message="I am sorry, our time is up. Goodbye!",
)


if __name__ == "__main__":
    asyncio.run(phone.serve(agent))
