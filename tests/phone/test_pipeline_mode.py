"""Calls in pipeline mode: a greeting and last words, given to text to speech as they are, are no responses of a model's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from pipecat.audio.vad.vad_analyzer import VADAnalyzer

from tests.agents.tone_services import ScriptLLM, ToneSTT, ToneTTS
from tests.support.phones import FakeCarrier
from tests.support.tones import heard
from voicepipe.local.carriers import LocalCall
from voicepipe.phone import Call, CallHooks, CallResult, guardrail

pytestmark = pytest.mark.virtual_time

HELP = [guardrail("no help", ["help"], replacement="I may not say that.")]


class Deaf(VADAnalyzer):
    def num_frames_required(self) -> int:
        return 160

    def voice_confidence(self, buffer: bytes) -> float:
        return 0.0


async def called(
    act: Callable[[LocalCall, Call], Awaitable[None]], **agent
) -> tuple[str, CallResult, list[str]]:
    """Return what a caller heard, how the call ended, and what went wrong in it."""
    errors: list[str] = []
    hooks = CallHooks(on_error=lambda call, message: errors.append(message))
    async with FakeCarrier("twilio") as far:
        phone = far.phone()
        made = phone.agent(stt=ToneSTT, llm=ScriptLLM, tts=ToneTTS, vad=Deaf, hooks=hooks, **agent)
        async with phone.serving(made, port=0) as door, await far.call(door.local_url) as call:
            [running] = phone.calls
            await act(call, running)
            await call.until_ended()
            result = await running.result()
    return heard(call.heard), result, errors


def said_in(result: CallResult) -> list[str]:
    return [turn.text for turn in result.transcript if turn.role == "assistant"]


async def test_last_words_are_said_once_and_end_the_call():
    async def wait(call, running):
        await call.until_answered()

    words, result, errors = await called(
        wait, first_message="Good day!", max_call_secs=10, max_call_message="Time is up."
    )
    assert words == "Good day! Time is up."
    assert said_in(result) == ["Good day!", "Time is up."]
    assert result.duration_secs < 15
    assert errors == []


async def test_what_is_said_in_place_of_blocked_words_is_heard_and_so_is_the_next_thing():
    async def ask(call, running):
        await call.until_answered()
        before_ms = call.played_ms
        await running.say("Good bye!")
        await call.until_answered(after_ms=before_ms)
        await running.hang_up()

    words, result, errors = await called(ask, first_message="We help you.", guardrails=HELP)
    assert words.endswith("I may not say that. Good bye!")
    assert said_in(result) == ["I may not say that.", "Good bye!"]
    assert errors == ["guardrail no help: blocked"]
