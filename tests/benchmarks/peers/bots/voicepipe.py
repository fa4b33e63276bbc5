"""voicepipe's bare pipeline; with `--g711` the API speaks the telephone's coding and nothing is resampled."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger
from pipecat.processors.frame_processor import FrameProcessor
from websockets.asyncio.server import ServerConnection

from tests.benchmarks.peers.bots.serving import options, serve_calls
from voicepipe.audio.resampler import AudioResampler
from voicepipe.collector import spare_calls
from voicepipe.pipeline import Pipeline, run
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    OpenAIRealtimeLLMService,
    SessionProperties,
)
from voicepipe.services.openai.realtime.events import PCMUAudioFormat
from voicepipe.transports.telephony import QuickServerConnection, TelephonyTransport

_OPTIONS = options("g711")


async def media(socket: ServerConnection) -> None:
    properties, resampler = SessionProperties(), list[FrameProcessor]()
    if _OPTIONS.g711:
        form = PCMUAudioFormat()
        properties.audio = AudioConfiguration(input=AudioInput(format=form), output=AudioOutput(format=form))
    else:
        resampler.append(AudioResampler())
    transport = TelephonyTransport(socket)
    llm = OpenAIRealtimeLLMService(
        api_key="k", base_url=_OPTIONS.api, session_properties=properties, proxy=None
    )
    processors: Sequence[FrameProcessor] = [transport.input(), *resampler, llm, transport.output()]
    await run(Pipeline(list(processors)), handle_signals=False)


if __name__ == "__main__":
    logger.remove()
    # As docs/telephony.md has it.
    spare_calls()
    serve_calls(media, QuickServerConnection)
