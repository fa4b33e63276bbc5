"""Reading WAV files of every kind, and saying what is wrong with those that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from voicepipe.errors import AudioFormatError
from voicepipe.transports.sound import Sound, read_wav

RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
WIDTHS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


def sine(rate: int, peak: float = 0.5) -> np.ndarray:
    return peak * np.sin(2 * np.pi * 440 * np.arange(rate // 10) / rate)


def samples(sound: Sound) -> np.ndarray:
    return np.frombuffer(sound.pcm, "<i2") / 32768


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_rate_and_width_is_read(tmp_path, rate, kind, width):
    path = tmp_path / "question.wav"
    soundfile.write(path, sine(rate), rate, subtype=width, format=kind)
    sound = read_wav(path)
    assert sound.sample_rate == rate
    tolerance = 1 / 127 if width == "PCM_U8" else 1 / 32000
    np.testing.assert_allclose(samples(sound), sine(rate), atol=tolerance)


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_mixed_to_one(tmp_path, channels):
    path = tmp_path / "question.wav"
    sides = np.stack([sine(8000, 0.1 * (number + 1)) for number in range(channels)], axis=1)
    soundfile.write(path, sides, 8000, subtype="PCM_16")
    np.testing.assert_allclose(samples(read_wav(path)), sides.mean(axis=1), atol=1e-3)


def test_floats_beyond_full_scale_are_clipped(tmp_path):
    path = tmp_path / "question.wav"
    soundfile.write(path, np.array([2.0, -2.0, 1.0]), 8000, subtype="FLOAT")
    assert np.frombuffer(read_wav(path).pcm, "<i2").tolist() == [32767, -32768, 32767]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.wav"):
        read_wav(tmp_path / "nowhere.wav")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        read_wav(tmp_path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not sound at all" * 100])
def test_a_file_that_is_not_a_wav_is_refused_and_named(tmp_path, content):
    path = tmp_path / "question.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFormatError, match=r"question\.wav"):
        read_wav(path)


def test_another_sound_format_is_refused_by_its_name(tmp_path):
    path = tmp_path / "question.wav"
    soundfile.write(path, sine(8000), 8000, format="FLAC")
    with pytest.raises(AudioFormatError, match=r"question\.wav.*FLAC"):
        read_wav(path)


def test_a_wav_without_sound_is_refused(tmp_path):
    path = tmp_path / "question.wav"
    soundfile.write(path, np.zeros(0), 8000)
    with pytest.raises(AudioFormatError, match=r"question\.wav.*empty"):
        read_wav(path)


@pytest.mark.parametrize(("peak", "is_silent"), [(0.0, True), (0.0009, True), (0.01, False), (1.0, False)])
def test_silence_is_told_from_sound(peak, is_silent):
    pcm = (sine(8000, peak) * 32767).astype("<i2").tobytes()
    assert Sound(pcm, 8000).is_silent is is_silent


def test_the_most_negative_sample_is_not_silence():
    assert not Sound(np.array([-32768], "<i2").tobytes(), 8000).is_silent


def test_a_sound_knows_how_long_it_is():
    assert Sound(bytes(16000), 8000).duration_ms == 1000
