"""The real ears understand the real voice and a real person."""

from __future__ import annotations

import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soxr

import voicepipe.local.speech
from voicepipe.errors import MissingExtraError, SettingsError
from voicepipe.local.speech.engines import SpeechEngine, speech_engine
from voicepipe.local.speech.hibari import HibariVoice
from voicepipe.local.speech.moonshine import MoonshineEars
from voicepipe.local.speech.silero import SileroActivity

RECORDING = Path(voicepipe.local.speech.__file__).parents[1] / "recordings" / "go_forward.wav"


@pytest.fixture(scope="module")
def engine() -> SpeechEngine:
    return speech_engine("local")


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    with wave.open(str(RECORDING)) as recording:
        assert (recording.getframerate(), recording.getnchannels(), recording.getsampwidth()) == (16000, 1, 2)
        return np.frombuffer(recording.readframes(recording.getnframes()), np.int16)


def spoken(engine: SpeechEngine, text: str) -> np.ndarray:
    return np.concatenate(list(engine.voice.speak(text)))


def at_rate(pcm: np.ndarray, source: int, target: int) -> np.ndarray:
    return np.rint(soxr.resample(pcm.astype(np.float64), source, target)).astype(np.int16)


def confidences(pcm: np.ndarray, activity: SileroActivity) -> list[float]:
    windows = pcm[: len(pcm) // activity.window * activity.window].reshape(-1, activity.window)
    return [activity.confidence(window) for window in windows]


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_the_ears_understand_the_voice(engine: SpeechEngine, rate: int):
    pcm = at_rate(spoken(engine, "what is the weather in paris"), engine.voice.sample_rate, rate)
    assert engine.ears.listen(pcm, rate).lower().rstrip("?.") == "what is the weather in paris"


@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_ears_understand_a_person(engine: SpeechEngine, person: np.ndarray, rate: int):
    assert engine.ears.listen(at_rate(person, 16000, rate), rate) == "Go forward ten meters."


@pytest.mark.parametrize("samples", [0, 1, 100, 16000])
def test_the_ears_hear_nothing_in_silence(engine: SpeechEngine, samples: int):
    assert engine.ears.listen(np.zeros(samples, np.int16), 16000) == ""


def test_sessions_can_listen_and_speak_at_the_same_time(engine: SpeechEngine):
    def turn(word: str) -> str:
        return engine.ears.listen(
            spoken(engine, f"please spell the word {word}"), engine.voice.sample_rate
        ).lower()

    words = ["banana", "window", "garden", "summer"]
    with ThreadPoolExecutor(4) as threads:
        for word, heard in zip(words, threads.map(turn, words), strict=True):
            assert word in heard


def test_the_voice_gives_a_sentence_at_a_time_the_same_each_time():
    voice = HibariVoice()
    first, second = list(voice.speak("It is four.")), list(voice.speak("It is four. Anything else?"))
    assert (len(first), len(second)) == (1, 2)
    assert first[0].dtype == np.int16
    np.testing.assert_array_equal(first[0], second[0])


@pytest.mark.parametrize("text", ["", " ", "...", "?!", "東京"])
def test_a_text_without_words_is_no_sound(engine: SpeechEngine, text: str):
    assert list(engine.voice.speak(text)) == []


@pytest.mark.parametrize("text", ["9" * 37, "order " + "1" * 50 + "th", "1," * 60, "$" + "٣" * 40 + ".50"])
def test_a_number_that_has_no_name_is_spoken_digit_by_digit(engine: SpeechEngine, text: str):
    sound = np.concatenate(list(engine.voice.speak(text)))
    assert len(sound) > 5 * engine.voice.sample_rate


@pytest.mark.parametrize("text", ["H₂O", "Step ② of ⑤.", "10⁵", "x² and y³"])
def test_digits_that_are_written_otherwise_are_spoken(engine: SpeechEngine, text: str):
    assert list(engine.voice.speak(text))


def test_the_voice_does_not_make_the_listener_wait(engine: SpeechEngine):
    pcm = np.abs(spoken(engine, "It is four.").astype(np.int32))
    first = int(np.flatnonzero(pcm > 50)[0])
    assert first <= 0.020 * engine.voice.sample_rate
    assert pcm.max() < 32767


def test_silero_tells_speech_from_silence_and_noise(person: np.ndarray):
    quiet = np.random.default_rng(0).normal(0, 30, 16000).astype(np.int16)
    assert max(confidences(np.zeros(64000, np.int16), SileroActivity())) < 0.1
    assert max(confidences(quiet, SileroActivity())) < 0.3
    speech = confidences(person, SileroActivity())
    assert np.mean(np.array(speech) > 0.5) > 0.4


def test_sessions_do_not_share_what_they_heard(person: np.ndarray):
    alone = confidences(person, SileroActivity())
    mine, other = SileroActivity(), SileroActivity()
    together: list[float] = []
    for window in person[: len(person) // 512 * 512].reshape(-1, 512):
        together.append(mine.confidence(window))
        other.confidence(window[::-1].copy())
    assert together == alone
    mine.reset()
    assert confidences(person, mine) == alone


def test_long_silence_does_not_dull_voice_activity(person: np.ndarray):
    activity = SileroActivity()
    confidences(np.zeros(16000 * 30, np.int16), activity)
    assert max(confidences(person, activity)) > 0.9


def test_each_engine_says_whether_it_needs_threads(engine: SpeechEngine):
    assert (engine.name, engine.blocking) == ("local", True)
    tones = speech_engine("tones")
    assert (tones.name, tones.blocking) == ("tones", False)
    assert tones.activity() is not tones.activity()


def test_an_unknown_engine_is_refused_with_the_known_names():
    with pytest.raises(SettingsError, match=r"no 'tone'; there are 'local', 'tones'"):
        speech_engine("tone")


@pytest.mark.parametrize(("part", "package"), [(MoonshineEars, "moonshine_voice"), (HibariVoice, "hibari")])
def test_a_missing_package_says_what_to_install(part, package, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'voicepipe\[local\]'"):
        part()
