"""A whole caller, and what is found in the sound that was heard."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode

import numpy as np
import pytest
import soundfile

from tests.support.calls import calls_served
from tests.support.tones import spoken
from voicepipe.audio.g711 import ulaw_decode, ulaw_encode
from voicepipe.errors import SettingsError
from voicepipe.local.carriers import LocalCall, Mishaps
from voicepipe.local.carriers.hearing import Piece, answer_ms, ends_ms, pieces_of, with_words, write_wav
from voicepipe.local.carriers.visit import Patience, Press, Say, visit
from voicepipe.local.speech.tones import ToneEars
from voicepipe.transports.sound import Sound

HELLO = spoken("hello", 8000)


def silence(ms: int) -> Sound:
    return Sound(bytes(16 * ms), 8000)


def joined(*sounds: Sound) -> Sound:
    return Sound(b"".join(sound.pcm for sound in sounds), 8000)


class TestHearing:
    def test_pieces_are_parted_by_long_silences_alone(self):
        sound = joined(silence(500), HELLO, silence(300), HELLO, silence(1000), HELLO, silence(200))
        long_ms = HELLO.duration_ms
        first, second = pieces_of(sound)
        assert first.from_ms == pytest.approx(500, abs=30)
        assert first.until_ms == pytest.approx(800 + 2 * long_ms, abs=60)
        assert second.from_ms == pytest.approx(1800 + 2 * long_ms, abs=30)
        assert len(pieces_of(sound, gap_ms=200)) == 3
        words = with_words(sound, pieces_of(sound, gap_ms=200), ToneEars())
        assert [piece.text for piece in words] == ["hello"] * 3

    def test_in_silence_there_is_nothing(self):
        assert pieces_of(silence(1000)) == []
        assert pieces_of(Sound(b"", 8000)) == []
        assert (ends_ms(silence(1000)), ends_ms(joined(silence(100), HELLO, silence(900)))) == (
            0.0,
            pytest.approx(100 + HELLO.duration_ms, abs=60),
        )

    def test_an_answer_is_the_next_piece_that_begins(self):
        pieces = [Piece(0, 400), Piece(2000, 3000)]
        assert answer_ms(pieces, 1200) == 800
        assert answer_ms(pieces, 2001) is None

    def test_a_sound_is_written_with_the_silence_before_it(self, tmp_path):
        path = tmp_path / "heard.wav"
        write_wav(path, joined(silence(250), HELLO))
        samples, rate = soundfile.read(path, dtype="int16")
        assert rate == 8000
        assert np.array_equal(samples, np.frombuffer(joined(silence(250), HELLO).pcm, np.int16))


def parrot(greeting: Sound | None = None, *, ends_after: int = 1000, answers: bool = True):
    """A bot on Twilio's wire that says `hello` to each second of sound that is over, and to keys; then it hangs up."""

    async def serve(websocket) -> None:
        stream, said, loud, quiet = "", 0, False, 0

        async def speak(sound: Sound) -> None:
            media = {"payload": b64encode(ulaw_encode(sound.pcm)).decode()}
            await websocket.send(json.dumps({"event": "media", "streamSid": stream, "media": media}))

        async for message in websocket:
            event = json.loads(message)
            if event["event"] == "start":
                stream = event["streamSid"]
                if greeting:
                    await speak(greeting)
            is_turn = event["event"] == "dtmf"
            if event["event"] == "media":
                samples = np.frombuffer(ulaw_decode(b64decode(event["media"]["payload"])), np.int16)
                is_loud = np.abs(samples.astype(int)).max() > 300
                loud, quiet = loud or is_loud, 0 if is_loud else quiet + 20
                is_turn = loud and quiet >= 500
            if is_turn and answers:
                loud, said = False, said + 1
                await speak(HELLO)
            if said >= ends_after:
                await websocket.close()
                return

    return serve


async def visited(bot, steps, patience=None, **kwargs):
    async with calls_served(bot) as port:
        async with LocalCall(f"ws://127.0.0.1:{port}/", "twilio", **kwargs) as call:
            done = await visit(call, steps, patience)
        return call, done


@pytest.mark.virtual_time
async def test_a_caller_listens_first_and_then_waits_for_each_answer():
    question = joined(spoken("how are you", 8000), silence(400))
    call, done = await visited(parrot(HELLO), [Say(question, "?"), Press("1")])
    heard = pieces_of(call.heard)
    greeting, answer, to_the_key = heard
    said, pressed = done
    assert greeting.from_ms < 100
    assert said.from_ms == pytest.approx(greeting.until_ms + 1200, abs=100)
    assert said.until_ms == pytest.approx(said.from_ms + question.duration_ms - 400, abs=60)
    assert answer_ms(heard, said.until_ms) == pytest.approx(520, abs=60)
    assert pressed.from_ms == pytest.approx(answer.until_ms + 1200, abs=100)
    assert to_the_key.from_ms == pytest.approx(pressed.from_ms, abs=100)
    assert call.ended_by == "caller"


@pytest.mark.virtual_time
async def test_a_bot_that_says_nothing_is_not_waited_for_for_ever():
    patience = Patience(greeting_ms=500, answer_ms=2000)
    call, done = await visited(parrot(answers=False), [Say(HELLO, "hello")], patience)
    assert done[0].from_ms == pytest.approx(500, abs=40)
    assert call.heard.duration_ms == pytest.approx(2500 + HELLO.duration_ms, abs=60)
    assert pieces_of(call.heard) == []
    assert call.ended_by == "caller"


@pytest.mark.virtual_time
async def test_a_bot_that_hangs_up_first_ends_the_visit():
    call, done = await visited(parrot(ends_after=1), [Say(HELLO, "1"), Say(HELLO, "2")])
    assert len(done) == 1
    assert call.ended_by == "bot"


@pytest.mark.virtual_time
async def test_a_line_that_breaks_ends_it_too():
    call, done = await visited(
        parrot(answers=False), [Say(HELLO, "1")], mishaps=Mishaps(cut_off_after_ms=100)
    )
    assert (done, call.ended_by) == ([], "nobody")


@pytest.mark.virtual_time
async def test_what_twilio_does_not_take_ends_the_stream_on_its_side():
    async def rude(websocket) -> None:
        await websocket.send("hello")
        async for _ in websocket:
            pass

    call, _ = await visited(rude, [])
    assert call.ended_by == "carrier"
    assert call.refusals == ["a message that is not JSON"]


class TestMishaps:
    def test_they_are_the_same_for_a_seed_and_as_many_as_asked_for(self):
        one, same = (Mishaps.at_random(7, lost=0.02, late=0.05, doubled=0.01) for _ in range(2))
        assert one == same != Mishaps.at_random(8, lost=0.02, late=0.05, doubled=0.01)
        assert len(one.lost) / 90_000 == pytest.approx(0.02, rel=0.1)
        assert len(one.late) / 90_000 == pytest.approx(0.05, rel=0.1)
        assert len(one.doubled) / 90_000 == pytest.approx(0.01, rel=0.1)
        assert all(20 <= late_ms <= 200 for late_ms in one.late.values())
        assert Mishaps.at_random(7, lost=0.02).lost == one.lost

    def test_where_none_are_asked_for_there_are_none(self):
        none = Mishaps.at_random(7)
        assert (len(none.lost), len(none.late), len(none.doubled)) == (0, 0, 0)

    def test_what_is_no_share_is_refused(self):
        with pytest.raises(SettingsError, match="late: 5 is no share"):
            Mishaps.at_random(1, late=5)
