"""A local call against an echo: real sockets, the loop's clock."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
import soundfile

from tests.support.calls import calls_served
from voicepipe.errors import SettingsError
from voicepipe.local.carriers import LocalCall
from voicepipe.transports.sound import Sound


def tone(duration_ms: int) -> Sound:
    samples = 8000 * np.sin(2 * np.pi * 440 * np.arange(8 * duration_ms) / 8000)
    return Sound(samples.astype("<i2").tobytes(), 8000)


async def echo(websocket) -> None:
    """Sends each frame of the caller back, and hangs up at a key."""
    stream = ""
    async for message in websocket:
        event = json.loads(message)
        stream = event.get("streamSid", stream)
        if event["event"] == "media":
            media = {"payload": event["media"]["payload"]}
            await websocket.send(json.dumps({"event": "media", "streamSid": stream, "media": media}))
        elif event["event"] == "dtmf":
            return


@pytest.mark.virtual_time
async def test_the_caller_hears_what_is_sent_when_it_is_sent_and_it_is_recorded(tmp_path):
    path = tmp_path / "call.wav"
    async with (
        calls_served(echo) as port,
        LocalCall(f"ws://127.0.0.1:{port}/", "twilio", record_path=path) as call,
    ):
        await call.say(tone(500))
        await call.until_played(500)
    heard = np.frombuffer(call.heard.pcm, np.int16)
    # A frame is sent when its last sample is there, and plays as soon as it comes back.
    assert int(np.flatnonzero(np.abs(heard) > 100)[0]) == pytest.approx(160, abs=8)
    both, rate = soundfile.read(path, dtype="int16")
    assert rate == 8000
    said, echoed = both[:4000, 0], both[160:4160, 1]
    assert np.array_equal(said, echoed)
    assert np.abs(said).max() > 7000


@pytest.mark.virtual_time
async def test_a_bot_that_hangs_up_ends_the_call_and_who_waits_is_told():
    async with calls_served(echo) as port, LocalCall(f"ws://127.0.0.1:{port}/", "twilio") as call:
        await call.press("1")
        with pytest.raises(ConnectionError, match="the call has ended"):
            await call.until_played(10_000)
        await call.until_ended()
        assert call.has_ended
        await call.hang_up()


@pytest.mark.virtual_time
async def test_a_recording_that_cannot_be_written_leaves_no_connection(tmp_path):
    left = asyncio.Event()

    async def listen(websocket) -> None:
        await websocket.wait_closed()
        left.set()

    async with calls_served(listen) as port:
        call = LocalCall(f"ws://127.0.0.1:{port}/", "twilio", record_path=tmp_path / "no" / "call.wav")
        with pytest.raises(FileNotFoundError, match=r"call\.wav"):
            await call.__aenter__()
        async with asyncio.timeout(5):
            await left.wait()


async def test_a_bot_that_is_not_there_cannot_be_called():
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        async with LocalCall("ws://127.0.0.1:1/", "plivo"):
            pass


def test_a_carrier_that_there_is_not_is_refused():
    with pytest.raises(SettingsError, match="carrier: 'vonage' is none of twilio, telnyx, plivo"):
        LocalCall("ws://127.0.0.1:1/", "vonage")
