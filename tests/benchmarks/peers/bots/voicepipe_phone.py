"""voicepipe's phone, as `Phone.serve` runs it: the same pipeline, with webhooks, books, observers and aiohttp's server.

With `--g711` the API speaks the telephone's coding and nothing is resampled.
"""

from __future__ import annotations

import asyncio

import uvloop
from loguru import logger

from tests.benchmarks.peers.bots.serving import options, ready
from voicepipe.collector import spare_calls
from voicepipe.phone import OpenAIRealtime, Phone, PhoneLimits, Twilio

_OPTIONS = options("g711")
_MOST_CALLS = 1000


async def main() -> None:
    engine = OpenAIRealtime(
        api_key="k",
        base_url=_OPTIONS.api,
        audio="g711" if _OPTIONS.g711 else "pcm",
        options={"proxy": None},
    )
    phone = Phone(carrier=Twilio(account_sid="AC" + "0" * 32, auth_token="k", api_url="http://127.0.0.1:9"))
    limits = PhoneLimits(calls=_MOST_CALLS, connections=3 * _MOST_CALLS)
    agent = phone.agent(engine=engine)
    async with phone.serving(agent, port=0, limits=limits, check_signatures=False) as door:
        # As `Phone.serve` does.
        spare_calls()
        ready(int(door.local_url.rpartition(":")[2]))
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    logger.remove()
    uvloop.run(main())
