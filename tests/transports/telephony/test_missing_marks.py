"""Carriers whose marks do not come back: what was sent is taken for played in time, and nobody is kept waiting."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.processors.frame_processor import FrameDirection
from websockets.exceptions import ConnectionClosedOK

from tests.support.calls import answering, service
from tests.support.pipelines import Recorder
from tests.support.tones import heard, spoken, tone_server
from tests.transports.telephony.wire_lines import TWILIO
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    TTSAudioRawFrame,
)
from voicepipe.local.carriers import LocalCall
from voicepipe.pipeline import Pipeline, run
from voicepipe.transports.telephony import StreamLimits, TelephonyTransport

CARRIERS = ["twilio", "telnyx", "plivo"]


@pytest.mark.virtual_time
async def test_a_carrier_that_loses_marks_keeps_nobody_waiting():
    marks = []

    def only_the_first_three(event):
        marks.extend([event["mark"]] if event["event"] == "mark" else [])
        return event["event"] != "mark" or len(marks) <= 3

    async def speak(answered):
        hello = spoken("hello")
        for context_id in ("one", "two"):
            audio = TTSAudioRawFrame(hello.pcm, hello.sample_rate, 1, context_id=context_id)
            await answered.worker.queue_frame(audio)
        await answered.worker.queue_frame(EndFrame())

    async with answering(list, on_call=speak, hears=only_the_first_three) as phone:
        async with LocalCall(phone.url, "twilio") as call:
            await call.until_ended()
        answered = await phone.ended()
    assert len(marks) > 3
    assert answered.result.reason == "ended"
    assert heard(call.heard) == "hello hello"
    assert len(answered.up.of(BotStoppedSpeakingFrame)) == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_carrier_that_answers_no_marks_is_spoken_to_and_reckoned_by_the_clock(carrier):
    def no_marks(event):
        return event["event"] not in ("mark", "playedStream")

    async with tone_server() as server, answering(lambda: service(server), hears=no_marks) as phone:
        async with LocalCall(phone.url, carrier) as call:
            await call.say(spoken("hello"))
            await call.until_answered(quiet_ms=6000)
            await call.say(spoken("count to twenty"))
            await call.until_played(call.played_ms + 300)
            await call.say(spoken("please stop"))
            await call.until_answered()
        answered = await phone.ended()
    words = heard(call.heard)
    assert words.startswith("Hello! How can I help you?")
    assert words.endswith("All right, I stop.")
    assert "twenty" not in words
    assert len(answered.up.of(ErrorFrame)) == 1
    names = answered.up.names(BotStartedSpeakingFrame, BotStoppedSpeakingFrame)
    # The first answer came before it was known that there are no marks; Plivo is not waited for in any case.
    assert names == ["BotStartedSpeakingFrame", "BotStoppedSpeakingFrame"] * (3 if carrier == "plivo" else 2)


class _SaysNothing:
    """A carrier that begins its stream and says nothing more, marks included."""

    def __init__(self) -> None:
        self._opening = [TWILIO["connected"], TWILIO["start"]]
        self._closed = asyncio.Event()

    async def recv(self) -> str:
        if self._opening:
            return self._opening.pop(0)
        await self._closed.wait()
        raise ConnectionClosedOK(None, None)

    async def send(self, message: str) -> None:
        """Take it."""

    async def close(self) -> None:
        self._closed.set()


@pytest.mark.virtual_time
async def test_sound_of_any_length_is_over_at_some_time_where_no_marks_come_back():
    """Also where the time at which it is over has no exact place on the clock."""
    lengths = range(160, 1000, 7)

    async def speak(worker):
        for samples in lengths:
            sound = TTSAudioRawFrame(bytes(2 * samples), 8000, 1, context_id=str(samples))
            await worker.queue_frame(sound)
            await asyncio.sleep(10.123)
        await worker.queue_frame(EndFrame())

    transport = TelephonyTransport(_SaysNothing(), limits=StreamLimits(silent_secs=None))
    up = Recorder(keep=FrameDirection.UPSTREAM)
    async with asyncio.timeout(3600):
        await run(
            Pipeline([transport.input(), up, transport.output()]), handle_signals=False, on_started=speak
        )
    # Of the first one it is not known yet that it is not said when it begins.
    assert len(up.of(BotStoppedSpeakingFrame)) == len(lengths) - 1
