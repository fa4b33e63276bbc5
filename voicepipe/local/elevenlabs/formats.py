"""The wire's audio formats, to and from s16le mono, which everything behind the wire works with."""

from __future__ import annotations

import binascii
from typing import Final

from voicepipe.audio.g711 import ulaw_decode, ulaw_encode
from voicepipe.audio.resampler import StreamResampler
from voicepipe.local.elevenlabs.agent import AudioFormat
from voicepipe.local.elevenlabs.events import Refusal
from voicepipe.local.wishes import RATE

_SAMPLE_BYTES: Final = 2


def sample_rate_of(kind: AudioFormat) -> int:
    """Return a format's rate, in hertz."""
    return int(kind.rpartition("_")[2])


def bytes_per_second(kind: AudioFormat) -> int:
    """Return how many bytes a second of sound has."""
    return sample_rate_of(kind) * sample_bytes(kind)


def sample_bytes(kind: AudioFormat) -> int:
    """Return how many bytes a sample has."""
    return 1 if kind == "ulaw_8000" else _SAMPLE_BYTES


def encoded(pcm: bytes, sample_rate: int, kind: AudioFormat) -> bytes:
    """Return one utterance, s16le mono at `sample_rate` hertz, in the format `kind`."""
    resampler = StreamResampler(sample_rate, sample_rate_of(kind))
    sound = resampler.process(pcm) + resampler.flush()
    return ulaw_encode(sound) if kind == "ulaw_8000" else sound


class Decoder:
    """Decodes a stream of sound in one format to s16le mono at `RATE`."""

    def __init__(self, kind: AudioFormat) -> None:
        self._is_mulaw = kind == "ulaw_8000"
        # Also where nothing is resampled: it keeps an odd byte for the next chunk.
        self._resampler = StreamResampler(sample_rate_of(kind), RATE)

    def process(self, sound: bytes) -> bytes:
        """Return what `sound` and what came before it give."""
        return self._resampler.process(ulaw_decode(sound) if self._is_mulaw else sound)


def from_base64(text: str) -> bytes:
    """Return the sound in a client's message.

    Raises:
        Refusal: It is not base64.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise Refusal("invalid_message", "user_audio_chunk: not base64-encoded audio.") from None
