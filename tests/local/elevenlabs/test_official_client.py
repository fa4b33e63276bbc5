"""The official `elevenlabs` package talks with the local server: signed URL, sound, tools, barge-in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.local.elevenlabs.caller import convai_server
from tests.support.tones import heard, spoken
from voicepipe.local import Pace
from voicepipe.local.elevenlabs import Agent, ClientTool
from voicepipe.local.elevenlabs.agent import DEFAULT_EVENTS
from voicepipe.transports.sound import Sound

AGENT = Agent(
    "agent_1",
    first_message="Hello {{name}}!",
    enable_auth=True,
    tools=[ClientTool("get_weather")],
    client_events=[*DEFAULT_EVENTS, "agent_chat_response_part"],
)


class Told(list[tuple[Any, ...]]):
    """What the package's callbacks were told, and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Condition()

    def callback(self, name: str) -> Any:
        async def tell(*values: Any) -> None:
            async with self._more:
                self.append((name, *values))
                self._more.notify_all()

        return tell

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [one[1:] for one in self if one[0] == name]

    async def until(self, name: str, count: int = 1) -> tuple[Any, ...]:
        async with asyncio.timeout(5), self._more:
            await self._more.wait_for(lambda: len(self.named(name)) >= count)
        return self.named(name)[count - 1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_whole_conversation():
    from elevenlabs.client import ElevenLabs
    from elevenlabs.conversational_ai.conversation import (
        AsyncAudioInterface,
        AsyncConversation,
        ClientTools,
        ConversationInitiationData,
    )

    told = Told()

    class Telephone(AsyncAudioInterface):
        sound = b""

        async def start(self, input_callback: Any) -> None:
            self.speak = input_callback
            await told.callback("start")()

        async def stop(self) -> None:
            pass

        async def output(self, audio: bytes) -> None:
            self.sound += audio

        async def interrupt(self) -> None:
            await told.callback("interrupt")()

    async def get_weather(_parameters: Any) -> str:
        return json.dumps({"temperature": 20, "conditions": "sunny"})

    tools = ClientTools()
    tools.register("get_weather", get_weather, is_async=True)
    telephone = Telephone()
    async with convai_server(AGENT, api_key="right", pace=Pace(speed=4.0)) as server:
        talk = AsyncConversation(
            ElevenLabs(api_key="right", base_url=server.api_url),
            "agent_1",
            requires_auth=True,
            audio_interface=telephone,
            client_tools=tools,
            config=ConversationInitiationData(dynamic_variables={"name": "Ann"}),
            callback_agent_response=told.callback("said"),
            callback_agent_response_correction=told.callback("corrected"),
            callback_user_transcript=told.callback("heard"),
            callback_audio_alignment=told.callback("aligned"),
        )
        await talk.start_session()
        assert await told.until("said") == ("Hello Ann!",)
        await told.until("start")
        pcm = spoken("weather in paris", 16000).pcm + bytes(32 * 500)
        for start in range(0, len(pcm), 8000):
            await telephone.speak(pcm[start : start + 8000])
        assert await told.until("heard") == ("weather in paris",)
        assert await told.until("said", 2) == ("In Paris it is 20 degrees and sunny.",)
        await talk.send_user_message("count to twenty")
        await told.until("said", 3)
        await told.until("aligned", len(told.named("aligned")) + 1)
        await talk.send_user_message("stop")
        assert await told.until("said", 4) == ("All right, I stop.",)
        original, corrected = told.named("corrected")[-1]
        assert original.startswith("one, two")
        assert original.startswith(corrected)
        assert told.named("interrupt")
        await talk.end_session()
        assert await talk.wait_for_session_end()
    assert heard(Sound(telephone.sound, 16000)).startswith("Hello Ann!")
