"""A call of more than an hour, past the limit at which the API ends a session, in seconds of a test's time."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator

import pytest
from pipecat.services.llm_service import FunctionCallParams

from tests.reliability.conversation import Conversation, conversation
from tests.reliability.subjects import OPENAI_GA
from tests.support.tones import tone_server

MINUTES = 65
TRACED_FROM = 45
TURN_EVERY_SECS = 60
MOST_GROWTH_BYTES = 400_000
"""Of twenty turns: their places in the history, their words, filters and the newest sound, which is bounded. All of their
sound would be five megabytes."""
HOLDERS = ("*/voicepipe/realtime/*", "*/voicepipe/services/*", "*/voicepipe/audio/*", "*/pipecat/*")
"""The local server, which is in the same process, keeps the sound of the conversation's items, as the API does."""


@pytest.fixture
def traced() -> Iterator[None]:
    yield
    tracemalloc.stop()


def held_bytes() -> int:
    gc.collect()
    snapshot = tracemalloc.take_snapshot()
    held = snapshot.filter_traces([tracemalloc.Filter(True, pattern) for pattern in HOLDERS])
    return sum(statistic.size for statistic in held.statistics("filename"))


async def no_tool(_: FunctionCallParams) -> None:
    raise AssertionError("no function is called in this call")


async def asked(call: Conversation) -> bool:
    begun = len(call.watch.frames)
    await call.say("hello")
    async with asyncio.timeout(10):
        await call.watch.until(lambda: "How can I help you" in call.watch.text(begun) or call.has_ended)
    return not call.has_ended


@pytest.mark.virtual_time
async def test_a_call_outlasts_the_hours_limit_and_its_memory_does_not_grow(traced):
    happened: list[str] = []
    async with tone_server(session_secs=3600) as server:
        service = OPENAI_GA.service(server.url, no_tool)
        for event in ("on_connected", "on_resumed", "on_disconnected"):
            service.add_event_handler(event, lambda *_, event=event: happened.append(event))
        async with conversation([service], chunk_ms=1000) as call:
            clock = asyncio.get_running_loop().time
            for minute in range(MINUTES):
                await asyncio.sleep(max(0.0, minute * TURN_EVERY_SECS - clock()))
                if minute == TRACED_FROM:
                    tracemalloc.start()
                assert await asked(call), call.result
            held = held_bytes()
            await call.hang_up()
            await call.watch.until(lambda: call.has_ended)
        assert clock() >= (MINUTES - 1) * TURN_EVERY_SECS
        assert server.sessions == 0
    assert call.result is not None
    assert call.result.reason == "ended", call.result
    assert call.watch.unbalanced() == []
    assert happened == ["on_connected", "on_resumed"], "renewed before the limit, and never lost"
    assert held < MOST_GROWTH_BYTES, f"{held} bytes of {MINUTES - TRACED_FROM} turns"
