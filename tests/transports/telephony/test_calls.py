"""Whole calls: a local carrier, the transport, the service, the local API, and back, on each carrier's wire."""

from __future__ import annotations

import json

import pytest

from tests.support.calls import answering, service
from tests.support.tones import heard, spoken, tone_server
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    InputDTMFFrame,
    OutputDTMFFrame,
)
from voicepipe.local import Pace
from voicepipe.local.carriers import LocalCall
from voicepipe.transports.sound import read_wav

CARRIERS = ["twilio", "telnyx", "plivo"]
CLEARS = {"twilio": "clear", "telnyx": "clear", "plivo": "clearAudio"}


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_spoken_question_is_answered_in_speech(carrier, tmp_path):
    record = tmp_path / "call.wav"
    async with tone_server() as server, answering(lambda: service(server)) as phone:
        async with LocalCall(phone.url, carrier, parameters={"plan": "gold"}, record_path=record) as call:
            await call.say(spoken("hello"))
            await call.until_answered()
        answered = await phone.ended()
    assert heard(call.heard) == "Hello! How can I help you?"
    assert call.refusals == []
    assert answered.result.reason == "ended", answered.result
    assert answered.result.detail == "the caller hung up"
    assert answered.events == ["on_client_connected", "on_client_disconnected"]
    assert answered.transport.started.carrier == carrier
    assert answered.transport.started.parameters == {"plan": "gold"}
    names = answered.up.names(BotStartedSpeakingFrame, BotStoppedSpeakingFrame)
    assert names == ["BotStartedSpeakingFrame", "BotStoppedSpeakingFrame"]
    assert heard(read_wav(record))
