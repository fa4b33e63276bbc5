"""A bot that calls somebody, tells who answered, and leaves a message on an answering machine.

Needs TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, OPENAI_API_KEY and VOICEPIPE_PUBLIC_URL, where Twilio reaches port 8000.
With `--local` no telephone rings: a Twilio on this machine is asked for the call, and somebody there picks up.
"""

import asyncio
import sys
from xml.etree import ElementTree

from aiohttp import ClientSession, web
from voicepipe import openai_or_local
from voicepipe.local.carriers import LocalCall
from voicepipe.phone import CallResult, OpenAIRealtime, Phone, Twilio
from voicepipe.phone.carriers.twilio import signature

NUMBER, CUSTOMER = "+15550001234", "+15550005678"


async def remind(phone: Phone, engine: OpenAIRealtime, port: int | None = None) -> CallResult:
    agent = phone.agent(
        engine=engine,
        first_message="This is your dentist. You have an appointment tomorrow at nine.",
        voicemail_message="This is your dentist. Please call us back.",
    )
    async with phone.serving(agent, port=port) as door:
        if port == 0:  # Nobody outside this machine is to reach it.
            door.public_url = door.local_url
        call = await phone.call(CUSTOMER, machine_detection=True)
        result = await call.result()
    print(f"{result.outcome}: {result.reason}")
    return result


async def locally() -> tuple[CallResult, str]:
    """Returns how the call went and what the customer heard."""
    account, call_id = "AC" + "0" * 32, "CA" + "1" * 32
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def rest(request: web.Request) -> web.Response:
        if request.path.endswith("/Calls.json"):
            asked.put_nowait((await request.post())["Url"])
        return web.json_response({"sid": call_id})

    async def customer() -> str:
        url, fields = await asked.get(), {"CallSid": call_id, "CallStatus": "in-progress"}
        signed = url + "".join(name + value for name, value in sorted(fields.items()))
        headers = {"X-Twilio-Signature": signature("token", signed)}
        async with ClientSession() as http, http.post(url, data=fields, headers=headers) as answer:
            stream = ElementTree.fromstring(await answer.text()).find("Connect/Stream")
        token = {one.get("name"): one.get("value") for one in stream}
        async with LocalCall(stream.get("url"), "twilio", call_id=call_id, parameters=token) as call:
            await call.until_answered()
            await call.say(openai.spoken("Thank you."))
            await call.until_answered()
        return openai.understood(call.heard)

    app = web.Application()
    app.router.add_post("/{path:.*}", rest)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        twilio = Twilio(account, "token", api_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
        async with openai_or_local(local=True) as openai, asyncio.TaskGroup() as both:
            engine = OpenAIRealtime(api_key=openai.api_key, base_url=openai.base_url)
            result = both.create_task(remind(Phone(carrier=twilio, phone_number=NUMBER), engine, port=0))
            heard = both.create_task(customer())
    finally:
        await runner.cleanup()
    print(f"the customer heard: {heard.result()}")
    return result.result(), heard.result()


if __name__ == "__main__":
    local = "--local" in sys.argv
    asyncio.run(
        locally() if local else remind(Phone(carrier=Twilio(), phone_number=NUMBER), OpenAIRealtime())
    )
