"""A phone in a process of its own, which part three kills or tells to end.

python -m tests.reliability.soak.phone_process RECORDS API_URL CARRIER_URL CALLS SHUTDOWN_SECS

It says `ready URL`, and ends when a signal says so.
"""

from __future__ import annotations

import asyncio
import sys

from loguru import logger

from tests.support.phones import NUMBER, SECRET
from voicepipe.phone import OpenAIRealtime, Phone, PhoneLimits, Twilio


async def main(records: str, api_url: str, carrier_url: str, calls: int, shutdown_secs: float) -> None:
    """Serve until SIGTERM."""
    carrier = Twilio(account_sid="AC" + "0" * 32, auth_token=SECRET, api_url=carrier_url)
    phone = Phone(carrier=carrier, phone_number=NUMBER, records=records)
    agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=api_url))
    limits = PhoneLimits(calls=calls, shutdown_secs=shutdown_secs)
    serving = asyncio.create_task(phone.serve(agent, port=0, limits=limits), name="serve")
    server = await phone.until_serving()
    print("ready", server.local_url, flush=True)
    await serving


if __name__ == "__main__":
    logger.remove()
    asyncio.run(main(*sys.argv[1:4], int(sys.argv[4]), float(sys.argv[5])))
