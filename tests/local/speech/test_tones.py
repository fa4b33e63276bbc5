"""What the tone voice says, the tone ears read, however the sound got there."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from voicepipe.audio import g711
from voicepipe.local.speech.tones import ToneActivity, ToneEars, ToneVoice

RATES = (8000, 16000, 24000, 48000)
EARS = ToneEars()

ascii_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30).filter(
    str.strip
)
any_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(str.strip)
rates = st.sampled_from(RATES)


def spoken(text: str, voice: ToneVoice) -> np.ndarray:
    return np.concatenate(list(voice.speak(text)))


def resampled(pcm: np.ndarray, source: int, target: int, quality: str = "HQ") -> np.ndarray:
    out = soxr.resample(pcm.astype(np.float64), source, target, quality=quality)
    return np.clip(np.rint(out), -32768, 32767).astype(np.int16)


def over_mu_law(pcm: np.ndarray) -> np.ndarray:
    return np.frombuffer(g711.ulaw_decode(g711.ulaw_encode(pcm.tobytes())), np.int16)


def over_a_law(pcm: np.ndarray) -> np.ndarray:
    return np.frombuffer(g711.alaw_decode(g711.alaw_encode(pcm.tobytes())), np.int16)


@given(text=st.one_of(ascii_texts, any_texts), rate=rates, character_ms=st.sampled_from([14, 16, 23.7, 80]))
@settings(max_examples=100, deadline=None)
def test_the_ears_read_any_text_at_any_rate_and_speed(text: str, rate: int, character_ms: float):
    assert EARS.listen(spoken(text, ToneVoice(rate, character_ms=character_ms)), rate) == text


@given(
    text=ascii_texts,
    path=st.lists(st.tuples(rates, st.sampled_from(["LQ", "HQ", "VHQ"])), min_size=1, max_size=4),
    gain_db=st.floats(-12, 12),
    silence=st.tuples(st.integers(0, 2000), st.integers(0, 2000)),
    law=st.sampled_from([over_mu_law, over_a_law, None]),
)
@settings(max_examples=100, deadline=None)
def test_the_words_survive_a_telephone(text, path, gain_db, silence, law):
    before, after = silence
    pcm = np.pad(spoken(text, ToneVoice(24000)), (before, after))
    rate = 24000
    for target, quality in path:
        pcm, rate = resampled(pcm, rate, target, quality), target
    pcm = np.clip(pcm * 10 ** (gain_db / 20), -32768, 32767).astype(np.int16)
    assert EARS.listen(law(pcm) if law else pcm, rate) == text


@given(text=ascii_texts, rate=rates, part=st.floats(0, 1), silence=st.integers(0, 500))
@settings(max_examples=100, deadline=None)
def test_a_cut_utterance_gives_the_characters_that_are_whole(text: str, rate: int, part: float, silence: int):
    voice = ToneVoice(rate)
    pcm = spoken(text, voice)
    cut = int(part * len(pcm))
    heard_ms = cut / rate * 1000
    heard = EARS.listen(np.pad(pcm[:cut], silence), rate)
    # The first character carries no text; 2.5 ms either way the ears may be out.
    fewest, most = (int((heard_ms + slip) // voice.character_ms) - 1 for slip in (-2.5, 2.5))
    assert text.startswith(heard)
    assert max(0, fewest) <= len(heard) <= max(0, most)


@given(text=ascii_texts, lost=st.integers(1, 4000))
@settings(max_examples=50, deadline=None)
def test_an_utterance_whose_start_is_lost_gives_the_rest(text: str, lost: int):
    heard = EARS.listen(spoken(text, ToneVoice(24000))[lost:], 24000)
    assert text.endswith(heard)
    assert len(heard) >= len(text) - lost / 384 - 1


def test_a_character_that_is_cut_in_the_middle_of_its_bytes_is_left_out():
    pcm = spoken("né", ToneVoice(24000))
    assert EARS.listen(pcm[: -24 * 16], 24000) == "n"


def test_utterances_one_after_the_other_are_joined_by_a_space():
    voice = ToneVoice(16000)
    pcm = np.concatenate([*voice.speak("It is four."), *voice.speak("Anything else?")])
    assert EARS.listen(pcm, 16000) == "It is four. Anything else?"


def test_an_utterance_goes_on_after_a_gap():
    pcm = spoken("abcdef", ToneVoice(8000))
    at = 8 * 16 * 4
    assert EARS.listen(np.concatenate([pcm[:at], np.zeros(800, np.int16), pcm[at:]]), 8000) == "abcdef"


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_nothing_to_say_is_no_sound(text: str):
    assert list(ToneVoice().speak(text)) == []
    assert ToneVoice().duration_ms(text) == 0


def test_other_sound_holds_no_words():
    noise = np.random.default_rng(0).normal(0, 3000, 16000).astype(np.int16)
    hum = (8000 * np.sin(np.arange(16000) / 20)).astype(np.int16)
    for pcm in (noise, hum, np.zeros(16000, np.int16), np.zeros(0, np.int16), np.full(3, 9000, np.int16)):
        assert EARS.listen(pcm, 16000) == ""


def test_speech_is_quick_and_as_long_as_it_says():
    voice = ToneVoice()
    sentence = " ".join(["twenty"] * 20)
    pcm = spoken(sentence, voice)
    assert len(pcm) / 24 == pytest.approx(voice.duration_ms(sentence), abs=0.05)
    assert 1000 < voice.duration_ms(sentence) < 3000


def test_the_voice_gives_its_sound_in_pieces():
    pieces = list(ToneVoice(24000, piece_ms=40).speak("hello there"))
    assert {len(piece) for piece in pieces[:-1]} == {960}


@pytest.mark.parametrize(("options", "what"), [({"sample_rate": 4000}, "4000"), ({"character_ms": 5}, "5")])
def test_a_voice_that_could_not_be_understood_is_refused(options, what):
    with pytest.raises(ValueError, match=what):
        ToneVoice(**options)


@given(text=ascii_texts, gain_db=st.floats(-12, 0))
@settings(max_examples=50, deadline=None)
def test_speech_has_no_gap_that_sounds_like_its_end(text: str, gain_db: float):
    activity = ToneActivity(window=80)
    pcm = (spoken(text, ToneVoice(16000)) * 10 ** (gain_db / 20)).astype(np.int16)
    windows = pcm[: len(pcm) // 80 * 80].reshape(-1, 80)
    assert all(activity.confidence(window) == 1.0 for window in windows)


def test_silence_and_line_noise_are_no_speech():
    activity = ToneActivity()
    assert (activity.sample_rate, activity.window) == (16000, 512)
    assert activity.confidence(np.zeros(512, np.int16)) == 0.0
    assert activity.confidence(np.random.default_rng(0).normal(0, 30, 512).astype(np.int16)) == 0.0
