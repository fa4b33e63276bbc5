"""Whole calls: a local carrier, the transport, the service, the local API, and back, on each carrier's wire."""

from __future__ import annotations

import asyncio
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


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(("after_ms", "speed"), [(150, 8.0), (437, 1.1), (1000, None), (1999, 2.0)])
async def test_a_barge_in_clears_first_and_cuts_at_what_the_carrier_had_played(carrier, after_ms, speed):
    api: list[tuple[str, dict, float]] = []
    wire: list[tuple[str, dict, float]] = []

    def on_event(way, event):
        api.append((way, dict(event), asyncio.get_running_loop().time() * 1000))

    def on_message(way, message, at_ms):
        wire.append((way, json.loads(message), at_ms))

    pace = Pace(delta_ms=100, speed=speed)
    async with (
        tone_server(pace=pace, on_event=on_event) as server,
        answering(lambda: service(server)) as phone,
        LocalCall(phone.url, carrier, on_message=on_message) as call,
    ):
        await call.say(spoken("count to twenty"))
        await call.until_played(after_ms)
        await call.say(spoken("where did you stop"))
        await call.until_answered()

    [cut] = [cut for cut in call.cuts if cut.dropped_ms]
    [truncate] = [e for way, e, _ in api if way == "in" and e["type"] == "conversation.item.truncate"]
    assert abs(truncate["audio_end_ms"] - cut.played_ms) <= 40
    assert not [e for way, e, _ in api if way == "out" and e["type"] == "error"]
    assert call.refusals == []

    # Upon the speech that barges in, the carrier's next message is the clear.
    speech_ms = [
        at for way, e, at in api if way == "out" and e["type"] == "input_audio_buffer.speech_started"
    ][-1]
    after = [event["event"] for way, event, at in wire if way == "in" and at >= speech_ms]
    assert after[0] == CLEARS[carrier]
    assert speech_ms == pytest.approx(
        [at for way, e, at in wire if way == "in" and e["event"] == CLEARS[carrier]][-1]
    )

    counted, _, stopped = heard(call.heard).partition("You stopped me after: ")
    last_words = stopped.removesuffix(".")
    assert last_words
    assert last_words.rstrip(",").split()[-1] in counted
