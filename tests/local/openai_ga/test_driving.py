"""A session that runs: its pace, its time, and ears, voice and brains that fail or are slow."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.support.ga_client import Client, connected
from tests.support.tones import heard, tone_server
from voicepipe.errors import VoicepipeError
from voicepipe.local import LocalServer, Pace
from voicepipe.local.brain import Call, Conversation, Say
from voicepipe.local.speech import Pcm
from voicepipe.local.speech.engines import SpeechEngine, speech_engine
from voicepipe.transports.sound import Sound

DELTA = "response.output_audio.delta"
FAST = Pace(speed=None)
TEXT = "One two three four five six seven eight."


class BrainOf:
    """Says and calls what it is given, then fails if it is to."""

    def __init__(self, *pieces: Say | Call, fails: bool = False) -> None:
        self.pieces, self.fails = pieces, fails
        self.asked: list[Conversation] = []

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Say | Call]:
        self.asked.append(conversation)
        for piece in self.pieces:
            yield piece
        if self.fails:
            raise VoicepipeError("the text endpoint is away")

    async def aclose(self) -> None:
        pass


class DeafEars:
    def listen(self, pcm: Pcm, sample_rate: int) -> str:
        raise VoicepipeError("the model is broken")


class MuteVoice:
    sample_rate = 24000

    def speak(self, text: str) -> Iterator[Pcm]:
        raise VoicepipeError("the model is broken")


def server_with(brain: BrainOf, speech: SpeechEngine | None = None, **kwargs: Any) -> LocalServer:
    return LocalServer(speech=speech or speech_engine("tones"), brain=brain, pace=FAST, **kwargs)


async def response_of(client: Client) -> dict[str, Any]:
    return (await client.until("response.done"))["response"]


class TestPace:
    async def times(self, pace: Pace) -> list[float]:
        """When the answer was asked for and when each of its deltas came, in seconds; on a virtual clock."""
        loop = asyncio.get_running_loop()
        async with tone_server(pace=pace) as server, connected(server) as client:
            await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
            times = [loop.time()]
            while (event := await client.next())["type"] != "response.done":
                if event["type"] == DELTA:
                    times.append(loop.time())
            return times

    @pytest.mark.virtual_time
    @pytest.mark.parametrize(("speed", "delta_ms", "apart"), [(1.0, 100, 0.1), (2.0, 100, 0.05)])
    async def test_sound_goes_out_as_fast_as_it_says(self, speed, delta_ms, apart):
        _, *deltas = await self.times(Pace(speed=speed, delta_ms=delta_ms))
        assert len(deltas) == 7
        assert [b - a for a, b in pairwise(deltas)] == pytest.approx([apart] * 6, abs=0.002)

    @pytest.mark.virtual_time
    async def test_without_a_speed_it_goes_out_at_once(self):
        asked, *deltas = await self.times(Pace(speed=None))
        assert deltas[-1] - asked < 0.01

    @pytest.mark.virtual_time
    async def test_an_answer_may_take_a_while_to_begin(self):
        asked, first, *_ = await self.times(Pace(first_delta_ms=700, speed=None))
        assert first - asked == pytest.approx(0.7, abs=0.01)


class TestTime:
    @pytest.mark.virtual_time
    async def test_a_user_who_stays_silent_is_spoken_to(self):
        loop = asyncio.get_running_loop()
        async with tone_server(pace=FAST) as server, connected(server) as client:
            detection = {"type": "server_vad", "idle_timeout_ms": 6000}
            await client.update(audio={"input": {"turn_detection": detection}})
            await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
            await response_of(client)
            done, played = loop.time(), len(client.sound()) / 48000
            while (await client.next())["type"] != "input_audio_buffer.timeout_triggered":
                pass
            assert loop.time() - done == pytest.approx(played + 6.0, abs=0.02)
            said = (await response_of(client))["output"][0]["content"][0]["transcript"]
        assert said == "Sorry, I did not catch that."

    @pytest.mark.virtual_time
    async def test_a_barge_in_stops_the_sound_where_it_is(self):
        async with tone_server(pace=Pace(speed=1.0, delta_ms=100)) as server, connected(server) as client:
            await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
            for _ in range(3):
                await client.until(DELTA)
            await client.say("what time is it")
            assert (await response_of(client))["status"] == "cancelled"
            cut = Sound(client.sound(), 24000)
            assert TEXT.startswith(heard(cut))
            assert 300 <= len(cut.pcm) / 48 <= 400
            assert (await response_of(client))["status"] == "completed"


class TestBrains:
    async def test_one_that_fails_gives_a_failed_response_with_what_it_said_before(self):
        async with (
            server_with(BrainOf(Say("One moment."), fails=True)) as server,
            connected(server) as client,
        ):
            await client.send("response.create")
            failed = await response_of(client)
            await client.send("response.create")
            again = await response_of(client)
        assert failed["status"] == again["status"] == "failed"
        assert failed["status_details"]["error"]["message"] == "the text endpoint is away"
        assert failed["output"][0]["content"][0]["transcript"] == "One moment."

    async def test_words_and_calls_go_out_in_their_order(self):
        brain = BrainOf(Say("One moment."), Say("I look."), Call("f", {"a": 1}), Call("g"))
        async with server_with(brain) as server, connected(server) as client:
            await client.send("response.create")
            done = await response_of(client)
        assert [item.get("name", item["type"]) for item in done["output"]] == ["message", "f", "g"]
        assert done["output"][0]["content"][0]["transcript"] == "One moment. I look."

    async def test_one_with_nothing_to_say_gives_an_empty_response(self):
        async with server_with(BrainOf()) as server, connected(server) as client:
            await client.send("response.create")
            done = await response_of(client)
        assert (done["status"], done["output"]) == ("completed", [])

    async def test_one_is_stopped_at_the_longest_answer(self):
        brain = BrainOf(Say("One two three four five six."), Say("Seven."), Call("f"))
        async with server_with(brain) as server, connected(server) as client:
            await client.send("response.create", response={"max_output_tokens": 4})
            done = await response_of(client)
            await client.update()
        assert (done["status"], len(done["output"])) == ("incomplete", 1)
        assert "response.function_call_arguments.done" not in client.types()

    async def test_one_is_told_what_the_user_said_and_what_was_heard_of_it(self):
        brain = BrainOf(Say("Yes."))
        async with server_with(brain) as server, connected(server) as client:
            await client.say("hello")
            await response_of(client)
        assert [turn.text for turn in brain.asked[0].turns] == ["hello"]  # type: ignore[union-attr]


class TestSpeech:
    async def test_ears_that_fail_fail_the_transcript_and_the_turn_is_answered(self):
        brain = BrainOf(Say("Pardon?"))
        engine = replace(speech_engine("tones"), ears=DeafEars())
        async with server_with(brain, engine) as server, connected(server) as client:
            await client.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
            await client.say("hello")
            await client.until("conversation.item.input_audio_transcription.failed")
            assert (await response_of(client))["status"] == "completed"
        assert [turn.text for turn in brain.asked[0].turns] == [""]  # type: ignore[union-attr]

    async def test_a_voice_that_fails_fails_the_response(self):
        engine = replace(speech_engine("tones"), voice=MuteVoice())
        async with server_with(BrainOf(Say("Yes.")), engine) as server, connected(server) as client:
            await client.send("response.create")
            done = await response_of(client)
        assert (done["status"], done["output"]) == ("failed", [])

    async def test_on_threads_utterances_are_understood_in_their_order(self):
        engine = replace(speech_engine("tones"), blocking=True)
        async with server_with(BrainOf(Say("Yes.")), engine) as server, connected(server) as client:
            transcription = {"model": "whisper-1"}
            detection = {"type": "server_vad", "create_response": False}
            await client.update(
                audio={"input": {"transcription": transcription, "turn_detection": detection}}
            )
            for text in ("one one one", "two", "three three"):
                await client.say(text)
            name = "conversation.item.input_audio_transcription.completed"
            assert [(await client.until(name))["transcript"] for _ in range(3)] == [
                "one one one",
                "two",
                "three three",
            ]
            await client.send("response.create")
            assert (await response_of(client))["status"] == "completed"
        assert heard(Sound(client.sound(), 24000)) == "Yes."

    async def test_a_voice_at_another_rate_is_resampled(self):
        from voicepipe.local.speech.tones import ToneVoice

        engine = replace(speech_engine("tones"), voice=ToneVoice(16000))
        async with server_with(BrainOf(Say("Hello there.")), engine) as server, connected(server) as client:
            await client.send("response.create")
            await response_of(client)
            last = [event for event in client.events if event["type"] == DELTA][-1]
        assert heard(Sound(client.sound(), 24000)) == "Hello there."
        assert len(b64decode(last["delta"])) % 2 == 0
