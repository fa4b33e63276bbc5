"""A program that answers telephone calls until it is told to end; the tests of signals run it as a process of its own.

python -m tests.reliability.answering_machine PORT API_URL

It says `ready PORT`, then how each call ended. A signal ends it in order: `run` takes it.
"""

from __future__ import annotations

import asyncio
import sys

from loguru import logger
from websockets.asyncio.server import ServerConnection, serve

from voicepipe.audio.resampler import AudioResampler
from voicepipe.pipeline import Pipeline, run
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService
from voicepipe.transports.telephony import TelephonyTransport


async def main(port: int, api_url: str) -> None:
    """Serve until a call was ended by a signal."""
    signalled = asyncio.Event()

    async def answer(websocket: ServerConnection) -> None:
        transport = TelephonyTransport(websocket)
        llm = OpenAIRealtimeLLMService(api_key="k", base_url=api_url)
        result = await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
        print(result.reason, result.detail, flush=True)
        if result.reason == "signal":
            signalled.set()

    async with serve(answer, "127.0.0.1", port, compression=None) as server:
        print("ready", server.sockets[0].getsockname()[1], flush=True)
        await signalled.wait()
    left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    print("left", left, flush=True)


if __name__ == "__main__":
    logger.remove()
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
