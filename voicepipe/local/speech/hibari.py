"""A voice that needs no key and no network: hibari-tts, whose model comes inside its package."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt

from voicepipe.errors import MissingExtraError
from voicepipe.local.speech import Pcm

_NUMBER: Final = re.compile(r"\d[\d,]*")
_MOST_DIGITS: Final = 36
"""Of a number that the package can name; at a longer one it fails."""
_SILENCE: Final = 50
# Samples: 20 ms, so that no soft consonant loses its start, and 180 ms, a pause between sentences.
_LEAD: Final = 480
_PAUSE: Final = 4320


class HibariVoice:
    """Speaks English at 24 kHz, a sentence at a time, the same samples for the same text.

    The first sound of a sentence is there in about 15 ms, once it is warm; the first call ever takes half a second
    (see `warm_up`).

    Parameters:
        speed: How fast it speaks; 1.0 is its own pace, 0.5 slow, 2.0 fast.

    Raises:
        MissingExtraError: The extra "local" is not installed.
    """

    sample_rate: int = 24000

    def __init__(self, *, speed: float = 1.0) -> None:
        self._hibari = _load()
        self._speed = speed
        # Its pronunciation rules are loaded on first use, which two threads must not do at once.
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Load what would otherwise be loaded while somebody waits for an answer."""
        for _ in self.speak("Warm up."):
            pass

    def speak(self, text: str) -> Iterator[Pcm]:
        """Yield the sound of each sentence of `text`; nothing where there is nothing to pronounce, e.g. Chinese."""
        if not any(character.isalnum() for character in text):
            return
        sentences = iter(self._hibari.stream(_speakable(text), speed=self._speed, seed=0))
        while True:
            with self._lock:
                sound = next(sentences, None)
            if sound is None:
                return
            pcm = _trimmed(_to_pcm(sound))
            if len(pcm):
                yield pcm


def _speakable(text: str) -> str:
    """Return a text without what the package fails at: digits such as ① and ₂, and numbers that have no name."""
    plain = "".join(str(unicodedata.digit(one)) if _is_odd_digit(one) else one for one in text)
    return _NUMBER.sub(_nameable, plain)


def _is_odd_digit(character: str) -> bool:
    # It reads ² and ³ as powers.
    return character.isdigit() and not character.isdecimal() and character not in "²³"


def _nameable(number: re.Match[str]) -> str:
    """Return a number so that it can be spoken: one without a name digit by digit."""
    digits = [character for character in number[0] if character != ","]
    return number[0] if len(digits) <= _MOST_DIGITS else " ".join(digits)


def _trimmed(pcm: Pcm) -> Pcm:
    """Return `pcm` with little silence around it.

    The model puts about 300 ms of silence before a sentence, which the listener would wait through at every answer,
    and 400 ms after it.
    """
    loud = np.flatnonzero(np.abs(pcm, dtype=np.int32) > _SILENCE)
    if not len(loud):
        return pcm[:0]
    return pcm[max(0, int(loud[0]) - _LEAD) : int(loud[-1]) + _PAUSE]


def _to_pcm(sound: npt.NDArray[np.float32]) -> Pcm:
    # Its loudest vowels go a little beyond 1.0; a wrapped sample would be a click.
    return np.rint(np.clip(sound, -1.0, 1.0) * 32767).astype(np.int16)


class _Hibari(Protocol):
    """What is used of `hibari.Hibari`, which carries no types."""

    def stream(self, text: str, speed: float, seed: int | None) -> Iterable[npt.NDArray[np.float32]]: ...


def _load() -> _Hibari:
    try:
        import hibari  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as missing:
        raise MissingExtraError("HibariVoice", "local") from missing
    return cast(_Hibari, hibari.Hibari())
