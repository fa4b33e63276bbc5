"""A telephone call: the carrier opens a WebSocket to the bot. Here a local carrier calls, on Twilio's wire."""

import asyncio
import sys

from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    TelephonyTransport,
    openai_or_local,
    run,
)
from voicepipe.local.carriers import LocalCall
from websockets.asyncio.server import ServerConnection, serve


async def main(recording: str | None = "call.wav") -> str:
    async with openai_or_local(local="--local" in sys.argv) as openai:

        async def answer_call(websocket: ServerConnection) -> None:
            transport = TelephonyTransport(websocket)
            llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
            pipeline = Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
            await run(pipeline, handle_signals=False)

        async with serve(answer_call, "127.0.0.1", 0, compression=None) as server:
            port = server.sockets[0].getsockname()[1]
            # What a carrier does when somebody dials the bot's number.
            async with LocalCall(f"ws://127.0.0.1:{port}/media", "twilio", record_path=recording) as call:
                await call.say(openai.spoken("Who are you?"))
                await call.until_answered()
        words = openai.understood(call.heard)
    print(f"the caller heard: {words}")
    return words


if __name__ == "__main__":
    asyncio.run(main())
