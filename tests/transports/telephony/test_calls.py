"""Whole calls: a local carrier, the transport, the service, the local API, and back, on each carrier's wire."""

from __future__ import annotations

import asyncio
import json
import random
from base64 import b64decode

import numpy as np
import pytest
from websockets.asyncio.client import connect

from tests.support.calls import answering, calls_served, service
from tests.support.tones import heard, spoken, tone_server
from tests.transports.telephony.wire_lines import TWILIO
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    InputDTMFFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    PlaybackMarkFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
)
from voicepipe.local import Pace
from voicepipe.local.carriers import LocalCall, Mishaps
from voicepipe.pipeline import Pipeline, run
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    OpenAIRealtimeLLMService,
    SessionProperties,
)
from voicepipe.services.openai.realtime.events import PCMUAudioFormat
from voicepipe.transports.sound import read_wav
from voicepipe.transports.telephony import StreamLimits, TelephonyTransport

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
@pytest.mark.parametrize(
    ("after_ms", "speed", "lead_ms"), [(150, 8.0, 0), (437, 1.1, 0), (1000, None, 150), (1999, 0.9, 60)]
)
async def test_a_barge_in_clears_first_and_cuts_at_what_the_carrier_had_played(
    carrier, after_ms, speed, lead_ms
):
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
        LocalCall(phone.url, carrier, lead_ms=lead_ms, on_message=on_message) as call,
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


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_keys_go_both_ways(carrier):
    async def press(answered):
        [pressed] = await answered.down.wait_for(InputDTMFFrame, where=lambda frame: frame.button == "#")
        assert pressed.button.value == "#"
        await answered.worker.queue_frame(OutputDTMFFrame.from_string("42"))

    async with answering(list, on_call=press) as phone, LocalCall(phone.url, carrier) as call:
        # Telephones have keys that Pipecat has no name for; those are passed over.
        await call.press("1A5#")
        if carrier == "plivo":
            await call.until(lambda: call.keys == "42")
        else:
            # Those two carriers press no keys on a stream: the tones go in the band.
            await call.until_answered()
            samples = np.frombuffer(call.heard.pcm, np.int16).astype(float)
            began = int(np.flatnonzero(samples)[0])
            assert _tones(samples[began : began + 800]) == {770, 1209}
            assert _tones(samples[began + 1280 : began + 2080]) == {697, 1336}
    keys = [frame.button.value for frame in phone.calls[-1].down.of(InputDTMFFrame)]
    assert keys == ["1", "5", "#"]


def _tones(samples):
    """The two loudest frequencies in 100 ms of sound, as the nearest of the keys' tones."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    hertz = np.array([697, 770, 852, 941, 1209, 1336, 1477, 1633])
    level = [spectrum[round(tone * len(samples) / 8000)] for tone in hertz]
    return {int(hertz[place]) for place in np.argsort(level)[-2:]}


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_bot_that_ends_is_heard_to_its_last_word_before_it_hangs_up(carrier):
    async def say_and_end(answered):
        goodbye = spoken("goodbye")
        await answered.worker.queue_frames(
            [
                TTSStartedFrame(context_id="one"),
                TTSAudioRawFrame(goodbye.pcm, goodbye.sample_rate, 1, context_id="one"),
                EndFrame(),
            ]
        )

    async with answering(list, on_call=say_and_end) as phone:
        async with LocalCall(phone.url, carrier) as call:
            await call.until_ended()
        answered = await phone.ended()
    assert heard(call.heard) == "goodbye"
    assert answered.result.reason == "ended"
    assert answered.events == ["on_client_connected"]
    marks = answered.up.of(PlaybackMarkFrame)
    assert marks[0].played_ms == 0
    assert marks[-1].played_ms == pytest.approx(spoken("goodbye").duration_ms, abs=25)


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_cancelled_bot_hangs_up_at_once(carrier):
    async def say_and_cancel(answered):
        count = spoken("one two three four five six seven")
        await answered.worker.queue_frame(TTSAudioRawFrame(count.pcm, count.sample_rate, 1, context_id="one"))
        await answered.up.wait_for(BotStartedSpeakingFrame)
        await answered.worker.cancel()

    async with answering(list, on_call=say_and_cancel) as phone:
        async with LocalCall(phone.url, carrier) as call:
            await call.until_ended()
        answered = await phone.ended()
    assert call.played_ms < 100
    assert answered.result.reason == "cancelled"


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_p11_a_call_that_breaks_off_ends_the_pipeline_and_leaves_nothing(carrier):
    async with tone_server() as server, answering(lambda: service(server)) as phone:
        async with LocalCall(phone.url, carrier, mishaps=Mishaps(cut_off_after_ms=3000)) as call:
            await call.say(spoken("count to twenty"))
            with pytest.raises(ConnectionError):
                await call.until_answered()
        answered = await phone.ended()
    assert call.played_ms > 0
    assert answered.result.reason == "ended"
    assert answered.events == ["on_client_connected", "on_client_disconnected"]


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_lost_doubled_and_late_frames_do_not_end_a_call(carrier):
    mishaps = Mishaps(lost=range(3, 2000, 50), doubled={20}, late={30: 50.0})
    async with tone_server() as server, answering(lambda: service(server)) as phone:
        async with LocalCall(phone.url, carrier, mishaps=mishaps) as call:
            await call.say(spoken("hello"))
            await call.until_answered()
        answered = await phone.ended()
    assert answered.result.reason == "ended"


@pytest.mark.virtual_time
async def test_twenty_random_barge_ins_are_cut_within_40_ms_of_what_the_carrier_had_played():
    api: list[dict] = []
    dice = random.Random(7)
    async with (
        tone_server(
            pace=Pace(delta_ms=100),
            on_event=lambda way, event: api.append(dict(event)) if way == "in" else None,
        ) as server,
        answering(lambda: service(server)) as phone,
        LocalCall(phone.url, "twilio", lead_ms=40) as call,
    ):
        await call.say(spoken("count to twenty"))
        for _ in range(20):
            await call.until_played(call.played_ms + dice.uniform(60, 1300))
            await call.say(spoken("count to twenty"))
            cuts = [cut for cut in call.cuts if cut.dropped_ms]
            await call.until(lambda cuts=cuts: call.played_ms > cuts[-1].played_ms)
    cuts = [cut for cut in call.cuts if cut.dropped_ms]
    ends_ms = [event["audio_end_ms"] for event in api if event["type"] == "conversation.item.truncate"]
    assert len(cuts) == len(ends_ms) == 20
    before_ms = 0.0
    for cut, end_ms in zip(cuts, ends_ms, strict=True):
        assert abs(end_ms - (cut.played_ms - before_ms)) <= 40
        before_ms = cut.played_ms


ONE_WAY = [
    ("twilio", True, "<Connect><Stream>"),
    ("twilio", False, "<Connect><Stream>"),
    ("telnyx", False, "stream_bidirectional_mode=rtp"),
    ("plivo", True, 'bidirectional="true"'),
    ("plivo", False, 'bidirectional="true"'),
]


@pytest.mark.virtual_time
@pytest.mark.parametrize(("carrier", "both_tracks", "advice"), ONE_WAY)
async def test_p21_a_stream_that_only_listens_is_said_to(carrier, both_tracks, advice):
    async def speak(answered):
        hello = spoken("hello")
        await answered.worker.queue_frames(
            [TTSAudioRawFrame(hello.pcm, hello.sample_rate, 1, context_id="one")]
        )
        await answered.up.wait_for(ErrorFrame)
        await answered.worker.queue_frame(EndFrame())

    async with answering(list, on_call=speak) as phone:
        async with LocalCall(phone.url, carrier, plays=False, both_tracks=both_tracks) as call:
            await call.until_ended()
        answered = await phone.ended()
    [error] = answered.up.of(ErrorFrame)
    assert "one-way" in error.error
    assert advice in error.error
    assert answered.result.reason == "ended"


async def test_a_stream_that_never_starts_fails_the_pipeline_and_says_so():
    async def serve_call(websocket):
        transport = TelephonyTransport(websocket, limits=StreamLimits(start_secs=0.05))
        results.append(await run(Pipeline([transport.input(), transport.output()]), handle_signals=False))

    results = []
    async with calls_served(serve_call) as port, connect(f"ws://127.0.0.1:{port}/media") as socket:
        await socket.wait_closed()
    assert results[0].reason == "failed"
    assert "no start within 0.05 s" in results[0].detail


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_p9_sound_goes_out_as_it_comes_unpaced_and_whole(carrier):
    media: list[tuple[int, float]] = []
    lengths_ms = [200, 50, 400, 20, 1000]

    def on_message(way, message, at_ms):
        event = json.loads(message)
        if way == "in" and event["event"] in ("media", "playAudio"):
            media.append((len(b64decode(event["media"]["payload"])) // 8, at_ms))

    async def speak(answered):
        frames = [TTSAudioRawFrame(bytes(16 * ms), 8000, 1, context_id="one") for ms in lengths_ms]
        await answered.worker.queue_frames([*frames, EndFrame()])

    async with (
        answering(list, on_call=speak) as phone,
        LocalCall(phone.url, carrier, on_message=on_message) as call,
    ):
        await call.until_ended()
    assert [ms for ms, _ in media] == lengths_ms
    assert {at_ms for _, at_ms in media} == {media[0][1]}


@pytest.mark.virtual_time
async def test_sound_of_two_channels_is_refused_once_and_said():
    async def speak(answered):
        await answered.worker.queue_frames([OutputAudioRawFrame(bytes(640), 8000, 2)] * 2)
        await answered.worker.queue_frame(EndFrame())

    async with answering(list, on_call=speak) as phone:
        async with LocalCall(phone.url, "twilio") as call:
            await call.until_ended()
        answered = await phone.ended()
    [error] = answered.up.of(ErrorFrame)
    assert error.error.startswith("num_channels: a telephone takes mono")
    assert call.played_ms == 0


G711 = SessionProperties(
    audio=AudioConfiguration(
        input=AudioInput(format=PCMUAudioFormat()), output=AudioOutput(format=PCMUAudioFormat())
    )
)


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_g711_passes_byte_for_byte_both_ways(carrier):
    appended, answered, played = bytearray(), bytearray(), bytearray()
    said: dict[int, bytes] = {}

    def on_event(_way, event):
        if event["type"] == "input_audio_buffer.append":
            appended.extend(b64decode(event["audio"]))
        elif event["type"] == "response.output_audio.delta":
            answered.extend(b64decode(event["delta"]))

    def on_message(way, message, _at_ms):
        media = json.loads(message).get("media")
        if media and way == "out":
            said[int(media["chunk"])] = b64decode(media["payload"])
        elif media:
            played.extend(b64decode(media["payload"]))

    def middle():
        base_url = server.url
        return [OpenAIRealtimeLLMService(api_key="k", base_url=base_url, session_properties=G711)]

    # Out of their order and twice on the way, which only Telnyx may do.
    mishaps = Mishaps(late={7: 40.0, 9: 25.0}, doubled={12}) if carrier == "telnyx" else None
    async with (
        tone_server(on_event=on_event) as server,
        answering(middle) as phone,
        LocalCall(phone.url, carrier, mishaps=mishaps, on_message=on_message) as call,
    ):
        await call.say(spoken("hello"))
        await call.until_answered()
    assert heard(call.heard) == "Hello! How can I help you?"
    answered_frames = (await phone.ended()).down.of(TTSAudioRawFrame)
    assert b"".join(frame.coded for frame in answered_frames) == answered
    whole = b"".join(said[number] for number in sorted(said))
    assert len(appended) >= len(whole) - 5 * 160
    assert bytes(appended) == whole[: len(appended)]
    assert bytes(played).rstrip(b"\xff") == bytes(answered).rstrip(b"\xff")


class StuckSocket:
    """A carrier that starts its stream, says nothing any more and reads just a few messages."""

    def __init__(self, reads: int) -> None:
        self.sent = 0
        self._lines = [TWILIO["connected"], TWILIO["start"]]
        self._reads = reads

    async def recv(self) -> str:
        if not self._lines:
            await asyncio.Event().wait()
        return self._lines.pop(0)

    async def send(self, _message: str) -> None:
        if self.sent == self._reads:
            await asyncio.Event().wait()
        self.sent += 1

    async def close(self) -> None:
        # Nobody answers the close either.
        await asyncio.Event().wait()


@pytest.mark.virtual_time
async def test_a_socket_that_is_dead_ends_the_pipeline_and_bounds_what_waits():
    socket = StuckSocket(reads=5)
    transport = TelephonyTransport(socket, limits=StreamLimits(max_queued_chars=100_000))
    events = []
    transport.add_event_handler("on_client_disconnected", lambda *_: events.append("disconnected"))

    async def speak(worker):
        for _ in range(200):
            await worker.queue_frame(TTSAudioRawFrame(bytes(16000), 8000, 1, context_id="one"))

    pipeline = Pipeline([transport.input(), transport.output()])
    result = await run(pipeline, handle_signals=False, on_started=speak)
    assert (result.reason, result.detail) == ("ended", "the caller hung up")
    assert events == ["disconnected"]
    assert socket.sent == 5
    # Ten seconds for the message that is not taken, two for the close that is not answered.
    assert asyncio.get_running_loop().time() == pytest.approx(12, abs=1)


@pytest.mark.virtual_time
async def test_a_bot_that_cancels_itself_when_the_caller_leaves_ends_as_well():
    async def on_call(answered):
        async def left(_transport, _websocket):
            await answered.worker.cancel()

        answered.transport.add_event_handler("on_client_disconnected", left)

    async with answering(list, on_call=on_call) as phone:
        async with LocalCall(phone.url, "twilio") as call:
            await call.say(spoken("hello"))
        answered = await phone.ended()
    assert answered.result.reason in ("ended", "cancelled")
