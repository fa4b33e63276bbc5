"""A bot in a room of LiveKit, through Pipecat's transport.

A room needs a LiveKit server: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET and LIVEKIT_ROOM_NAME say which. With
`--local` there is no room: the same pipeline talks over WAV files instead, and the model is the local server.
"""

import asyncio
import os
import sys

from pipecat.transports.base_transport import BaseTransport
from voicepipe import (
    AudioResampler,
    OpenAIRealtimeLLMService,
    Pipeline,
    WavFileTransport,
    openai_or_local,
    run,
)


def room() -> BaseTransport:
    """The room, which is joined when the pipeline starts."""
    from pipecat.runner.livekit import generate_token_with_agent
    from pipecat.transports.livekit.transport import LiveKitParams, LiveKitTransport

    name = os.environ["LIVEKIT_ROOM_NAME"]
    token = generate_token_with_agent(
        name, "voicepipe", os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"]
    )
    params = LiveKitParams(audio_in_enabled=True, audio_out_enabled=True)
    return LiveKitTransport(os.environ["LIVEKIT_URL"], token, name, params)


def bot(transport: BaseTransport, openai) -> Pipeline:
    llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
    return Pipeline([transport.input(), AudioResampler(), llm, transport.output()])


async def main(local: bool = False, answer: str = "answer.wav") -> None:
    async with openai_or_local(local=local) as openai:
        transport = WavFileTransport(openai.spoken("Who are you?"), answer_path=answer) if local else room()
        result = await run(bot(transport, openai))
    print(result.reason)


if __name__ == "__main__":
    asyncio.run(main("--local" in sys.argv))
