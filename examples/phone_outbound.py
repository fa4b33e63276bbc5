"""A bot that calls somebody, tells who answered, and leaves a message on an answering machine.

Needs TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, OPENAI_API_KEY and VOICEPIPE_PUBLIC_URL, where Twilio reaches port 8000.
With `--local` no telephone rings: a Twilio on this machine is asked for the call, and somebody there picks up.
"""

import asyncio
import sys

from voicepipe import openai_or_local
from voicepipe.local.carriers import LocalCarrier
from voicepipe.phone import CallResult, OpenAIRealtime, Phone, Twilio

NUMBER, CUSTOMER = "+15550001234", "+15550005678"


def agent_of(phone: Phone, engine: OpenAIRealtime):
    return phone.agent(
        engine=engine,
        first_message="This is your dentist. You have an appointment tomorrow at nine.",
        voicemail_message="This is your dentist. Please call us back.",
    )


async def main() -> None:
    phone = Phone(carrier=Twilio(), phone_number=NUMBER)
    async with phone.serving(agent_of(phone, OpenAIRealtime())):
        placed = await phone.call(CUSTOMER, machine_detection=True)
        show(await placed.result())


async def locally() -> tuple[CallResult, str]:
    """Returns how the call went and what the customer heard."""
    async with openai_or_local(local=True) as openai, LocalCarrier("twilio", "token") as carrier:
        twilio = Twilio("AC" + "0" * 32, "token", api_url=carrier.api_url)
        phone = Phone(carrier=twilio, phone_number=NUMBER)
        engine = OpenAIRealtime(api_key=openai.api_key, base_url=openai.base_url)
        async with phone.serving(agent_of(phone, engine), port=0) as door:
            door.public_url = door.local_url  # Nobody outside this machine is to reach it.
            placed = await phone.call(CUSTOMER, machine_detection=True)
            async with carrier.local_call(*await carrier.pick_up()) as call:
                await call.until_answered()
                await call.say(openai.spoken("Thank you."))
                await call.until_answered()
            result = await placed.result()
        heard = openai.understood(call.heard)
    show(result)
    print(f"the customer heard: {heard}")
    return result, heard


def show(result: CallResult) -> None:
    print(f"{result.outcome}: {result.reason}")


if __name__ == "__main__":
    asyncio.run(locally() if "--local" in sys.argv else main())
