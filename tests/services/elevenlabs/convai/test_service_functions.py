"""Functions and settings of ElevenLabs' service in a running pipeline."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.services.llm_service import FunctionCallParams

from tests.services.elevenlabs.convai.talk import talking
from tests.services.elevenlabs.convai.test_service import GREETS, HELLO, WEATHER, said, weather
from tests.support.pipelines import BRACKETS
from voicepipe.errors import VoicepipeError
from voicepipe.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    LLMFullResponseEndFrame,
    LLMSetToolsFrame,
    LLMUpdateSettingsFrame,
    TTSStoppedFrame,
)
from voicepipe.local.elevenlabs import Agent, ClientTool, WebhookTool
from voicepipe.local.elevenlabs.agent import DEFAULT_EVENTS


class TestFunctions:
    async def test_p7_the_answer_speaks_of_what_a_function_gave(self):
        agent = Agent("agent_1", tools=[WEATHER])
        async with talking(agent, prepare=lambda llm: llm.register_function("get_weather", weather)) as talk:
            await talk.say("what is the weather in paris")
            await talk.bot.down.wait_for(TTSStoppedFrame)
        assert talk.words() == "In Paris it is 21 degrees and fog."
        [result] = talk.wire.sent("client_tool_result")
        assert result["is_error"] is False
        assert talk.bot.down.names(*BRACKETS)[:2] == ["LLMFullResponseStartFrame", "LLMFullResponseEndFrame"]

    async def test_two_functions_run_together(self):
        from voicepipe.local.brain.script import Script

        script = Script.model_validate(
            {
                "otherwise": "What?",
                "rules": [
                    {
                        "hear": ["both"],
                        "call": [{"name": "a", "arguments": {}}, {"name": "b", "arguments": {}}],
                        "then": ["Both are done."],
                    }
                ],
            }
        )
        together = asyncio.Barrier(2)

        async def wait(params: FunctionCallParams) -> None:
            await together.wait()
            await params.result_callback("done")

        def prepare(llm):
            llm.register_function("a", wait)
            llm.register_function("b", wait)

        agent = Agent("agent_1", tools=[ClientTool("a"), ClientTool("b")])
        async with talking(agent, prepare=prepare, server_options={"script": script}) as talk:
            await talk.say("both")
            await talk.bot.down.wait_for(TTSStoppedFrame)
        # The script speaks to either result.
        assert talk.words() == "Both are done. Both are done."
        assert len(talk.wire.sent("client_tool_result")) == 2
        assert talk.bot.down.names(*BRACKETS) == [
            "LLMFullResponseStartFrame",
            "LLMFullResponseEndFrame",
            "LLMFullResponseStartFrame",
            "TTSStartedFrame",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
        ]

    async def test_a_function_that_nobody_registered_gives_a_clear_error(self):
        async with talking(Agent("agent_1", tools=[WEATHER])) as talk:
            await talk.say("what is the weather in paris")
            [result] = await talk.wire.until(lambda: talk.wire.sent("client_tool_result"))
        assert result["is_error"] is True
        assert "get_weather" in result["result"]

    async def test_a_function_that_fails_gives_an_error(self):
        async def broken(_params: FunctionCallParams) -> None:
            raise VoicepipeError("no network")

        agent = Agent("agent_1", tools=[WEATHER])
        async with talking(agent, prepare=lambda llm: llm.register_function("get_weather", broken)) as talk:
            await talk.say("what is the weather in paris")
            [result] = await talk.wire.until(lambda: talk.wire.sent("client_tool_result"))
        assert result["is_error"] is True

    async def test_p6_a_function_that_an_interruption_cuts_is_answered_and_the_next_turn_too(self):
        started = asyncio.Event()

        async def slow(_params: FunctionCallParams) -> None:
            started.set()
            await asyncio.Event().wait()

        agent = Agent("agent_1", tools=[WEATHER])
        async with talking(agent, prepare=lambda llm: llm.register_function("get_weather", slow)) as talk:
            await talk.say("what is the weather in paris")
            await started.wait()
            await talk.say("hello")
            await talk.bot.down.wait_for(TTSStoppedFrame)
        [result] = talk.wire.sent("client_tool_result")
        assert (result["result"], result["is_error"]) == ("CANCELLED", True)

    async def test_tools_that_the_server_runs_are_told(self):
        stages: list[str] = []

        def prepare(llm):
            @llm.event_handler("on_mcp")
            async def on_mcp(_llm, stage, _item_id, _item):
                stages.append(stage)

        async def run(_arguments) -> str:
            return '{"temperature": 3, "conditions": "snow"}'

        events = [*DEFAULT_EVENTS, "agent_tool_request"]
        agent = Agent("agent_1", tools=[WebhookTool("get_weather", run)], client_events=events)
        async with talking(agent, prepare=prepare) as talk:
            await talk.say("what is the weather in paris")
            await talk.bot.down.wait_for(TTSStoppedFrame)
        assert stages == ["calling", "called"]
        assert talk.words() == "In Paris it is 3 degrees and snow."


class TestSettings:
    async def test_further_instructions_are_told_and_the_rest_is_refused_by_name(self):
        async with talking(GREETS) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            await talk.bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"instructions": "Be brief."}))
            [update] = await talk.wire.until(lambda: talk.wire.sent("contextual_update"))
            assert "Be brief." in update["text"]
            for settings, field in (
                ({"voice": "v2"}, "overrides.tts.voice_id"),
                ({"temperature": 1.0}, "temperature"),
                ({"nothing": 1}, "nothing"),
            ):
                await talk.bot.worker.queue_frame(LLMUpdateSettingsFrame(settings=settings))
                [error] = await talk.bot.up.wait_for(
                    ErrorFrame, where=lambda frame, field=field: f"{field}: " in frame.error
                )
                assert not error.fatal
            for _ in range(2):
                await talk.bot.worker.queue_frame(LLMSetToolsFrame(ToolsSchema([])))
            await talk.bot.up.wait_for(ErrorFrame, where=lambda frame: "tools: " in frame.error)
        assert len(talk.wire.sent("conversation_initiation_client_data")) == 1
        assert len([frame for frame in talk.bot.up.of(ErrorFrame) if "tools: " in frame.error]) == 1

    @pytest.mark.virtual_time
    async def test_with_restart_a_new_conversation_goes_on_with_them(self):
        agent = Agent("agent_1", first_message="Good morning!", allows=["tts.voice_id"])
        async with talking(agent, restart_on_update=True) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            await talk.bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"voice": "v2"}))
            # It waits until the listener has heard all of what was said.
            await asyncio.sleep(2)
            await talk.bot.worker.queue_frame(InputAudioRawFrame(bytes(640), 16000, 1))
            _, second = await talk.wire.until(
                lambda: len(found := talk.wire.sent("conversation_initiation_client_data")) == 2 and found
            )
            await talk.say("hello")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame, count=2)
        assert second["conversation_config_override"] == {"tts": {"voice_id": "v2"}}
        assert talk.words().endswith(HELLO)
        assert said(talk) == [("assistant", "Good morning!"), ("user", "hello"), ("assistant", HELLO)]
        assert not talk.bot.up.of(ErrorFrame)
