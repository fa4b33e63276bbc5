"""The sound of keys."""

from __future__ import annotations

import numpy as np
import pytest

from voicepipe.audio.dtmf import dtmf_sound


@pytest.mark.parametrize(("key", "tones"), [("1", (697, 1209)), ("5", (770, 1336)), ("#", (941, 1477))])
@pytest.mark.parametrize("rate", [8000, 24000])
def test_a_key_sounds_as_its_two_tones(key, tones, rate):
    samples = np.frombuffer(dtmf_sound(key, rate), np.int16).astype(float)
    assert len(samples) == rate * 160 // 1000
    tone = samples[: rate // 10]
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), rate))
    loudest = sorted((int(spectrum[:1100].argmax()), 1100 + int(spectrum[1100:].argmax())))
    assert loudest == pytest.approx(tones, abs=3)
    assert not samples[rate // 10 :].any()


def test_a_key_that_no_telephone_has_is_refused():
    with pytest.raises(ValueError, match="keys: 'x'"):
        dtmf_sound("1x", 8000)
