"""Calls that run together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace

import pytest
from pydantic import BaseModel

from voicepipe.agents import RunContext, function_tool
from voicepipe.agents.rounds import Rounds


class Stage:
    """Runs tools as a service would, and keeps what it is given."""

    def __init__(self, on_round=None) -> None:
        self.rounds: list[list[str]] = []
        self.results: dict[str, object] = {}
        self._on_round = on_round or (lambda outcomes: None)
        self._tools = Rounds(
            lambda tool, call: RunContext(session=None, agent=None, function_call=call), self._over
        )

    async def _over(self, outcomes) -> None:
        assert not self.results
        self.rounds.append([outcome.call.call_id for outcome in outcomes])
        self._on_round(outcomes)

    def call(self, tool, call_id: str, **arguments) -> asyncio.Task[None]:
        async def callback(result, *, properties) -> None:
            self.results[call_id] = (result, properties.run_llm)

        params = SimpleNamespace(tool_call_id=call_id, arguments=arguments, result_callback=callback)
        return asyncio.create_task(self._tools.handler(tool)(params))


@function_tool
async def wait(ms: int) -> int:
    """Wait."""
    await asyncio.sleep(ms / 1000)
    return ms


@pytest.mark.virtual_time
async def test_parallel_calls_are_one_round_told_before_any_result():
    stage = Stage()
    await asyncio.gather(stage.call(wait, "slow", ms=500), stage.call(wait, "fast", ms=100))
    assert stage.rounds == [["fast", "slow"]]
    assert stage.results == {"slow": (500, True), "fast": (100, True)}


@pytest.mark.virtual_time
async def test_a_call_that_is_cancelled_does_not_keep_the_others_waiting():
    stage = Stage()
    slow, fast = stage.call(wait, "slow", ms=60_000), stage.call(wait, "fast", ms=100)
    await asyncio.sleep(0.2)
    assert not stage.results
    slow.cancel()
    await fast
    assert stage.rounds == [["fast"]]
    assert list(stage.results) == ["fast"]
    with pytest.raises(asyncio.CancelledError):
        await slow


@pytest.mark.virtual_time
async def test_calls_one_after_the_other_are_rounds_of_their_own():
    stage = Stage()
    await stage.call(wait, "first", ms=1)
    stage.results.clear()
    await stage.call(wait, "second", ms=1)
    assert stage.rounds == [["first"], ["second"]]


class Answer(BaseModel):
    words: str


@dataclass
class Point:
    x: int


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("result", "told", "text"),
    [
        ("words", "words", "words"),
        (None, "COMPLETED", "COMPLETED"),
        (0, "0", "0"),
        (False, "false", "false"),
        ([], "[]", "[]"),
        ({"at": date(2026, 5, 1)}, {"at": "2026-05-01"}, '{"at":"2026-05-01"}'),
        ({"a": [1]}, {"a": [1]}, '{"a":[1]}'),
        (Answer(words="yes"), {"words": "yes"}, '{"words":"yes"}'),
        (Point(1), {"x": 1}, '{"x":1}'),
    ],
)
async def test_what_a_tool_returns_is_told_as_text_or_json(result, told, text):
    texts = []

    @function_tool
    async def give() -> object:
        """Give."""
        return result

    stage = Stage(lambda outcomes: texts.extend(outcome.output.output for outcome in outcomes))
    await stage.call(give, "one")
    assert stage.results["one"] == (told, True)
    assert texts == [text]


async def test_a_result_that_json_has_nothing_for_is_a_tool_that_failed():
    @function_tool
    async def count() -> int:
        """Count."""
        return 2**70

    stage = Stage()
    await stage.call(count, "1")
    assert stage.results == {"1": ({"error": "count failed"}, True)}
