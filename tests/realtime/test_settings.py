"""Settings that change while a session goes on."""

from __future__ import annotations

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.utils.types import NOT_GIVEN

from tests.support.scripted_bot import conversation
from voicepipe.frames import (
    ErrorFrame,
    LLMContextFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMUpdateSettingsFrame,
)
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties


async def test_an_update_changes_only_what_it_names():
    begin = SessionProperties(instructions="A", max_output_tokens=100)
    async with conversation(begin) as (bot, server, _):
        await bot.worker.queue_frame(
            LLMUpdateSettingsFrame(settings={"instructions": "Now speak in Spanish."})
        )
        update = await server.expect("session.update")
    assert update["session"] == {"type": "realtime", "instructions": "Now speak in Spanish."}


async def test_a_delta_does_the_same():
    async with conversation() as (bot, server, _):
        settings = OpenAIRealtimeLLMService.Settings
        changes = settings(system_instruction="B", session_properties=SessionProperties(tool_choice="none"))
        await bot.worker.queue_frame(LLMUpdateSettingsFrame(delta=changes))
        update = await server.expect("session.update")
    assert update["session"] == {"type": "realtime", "instructions": "B", "tool_choice": "none"}


async def test_a_dict_as_delta_is_refused_and_says_where_it_belongs():
    async with conversation() as (bot, _server, _):
        await bot.worker.queue_frame(LLMUpdateSettingsFrame(delta={"instructions": "B"}))
        [problem] = await bot.up.wait_for(ErrorFrame)
    assert problem.error == "delta: is the service's Settings, not dict; a dict is given as settings={...}"


async def test_a_bad_value_sends_nothing_and_names_the_field():
    async with conversation() as (bot, server, _):
        await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"max_output_tokens": 0}))
        [problem] = await bot.up.wait_for(ErrorFrame)
        await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"instructions": "C"}))
        update = await server.expect("session.update")
    assert "max_output_tokens" in problem.error
    assert update["session"] == {"type": "realtime", "instructions": "C"}


async def test_temperature_is_left_out_of_an_update():
    async with conversation() as (bot, server, _):
        await bot.worker.queue_frame(
            LLMUpdateSettingsFrame(settings={"temperature": 0.7, "instructions": "D"})
        )
        update = await server.expect("session.update")
    assert update["session"] == {"type": "realtime", "instructions": "D"}


CHOICE = {"type": "function", "function": {"name": "weather"}}
"""As Pipecat's contexts and frames have it."""


@pytest.mark.parametrize(
    "frame", [LLMSetToolChoiceFrame(CHOICE), LLMContextFrame(LLMContext(tool_choice=CHOICE))]
)
async def test_a_choice_in_the_shape_of_chat_completions_is_made_flat(frame):
    async with conversation() as (bot, server, _):
        await bot.worker.queue_frame(frame)
        update = await server.expect("session.update")
    assert update["session"]["tool_choice"] == {"type": "function", "name": "weather"}


@pytest.mark.parametrize("nothing", [NOT_GIVEN, None, []])
async def test_a_frame_without_tools_takes_them_away(nothing):
    begin = SessionProperties(tools=[{"type": "function", "name": "weather"}])
    async with conversation(begin) as (bot, server, _):
        await bot.worker.queue_frame(LLMSetToolsFrame(nothing))
        update = await server.expect("session.update")
    assert update["session"] == {"type": "realtime", "tools": []}
