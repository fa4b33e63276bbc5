"""A service in a running pipeline, whose server is a script that the test reads line by line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.services.openai.realtime.wire_lines import created, updated
from tests.support.pipelines import Running, running
from tests.support.scripted_server import ScriptedServer
from tests.support.wires import service
from voicepipe.frames import InputAudioRawFrame
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties


@asynccontextmanager
async def conversation(
    properties: SessionProperties | None = None, *, prepare=lambda llm: None, around=None, **options
) -> AsyncIterator[tuple[Running, ScriptedServer, OpenAIRealtimeLLMService]]:
    """A ready session between a scripted server and a running pipeline."""
    async with ScriptedServer() as server:
        llm = service(properties, api_key="k", base_url=server.url, **options)
        prepare(llm)
        processors = around(llm) if around else [llm]
        async with running(*processors) as bot:
            await server.say(created())
            await server.expect("session.update")
            await server.say(updated())
            yield bot, server, llm


def sound(ms: int, rate: int = 24000, channels: int = 1) -> InputAudioRawFrame:
    return InputAudioRawFrame(bytes(2 * channels * rate * ms // 1000), rate, channels)
