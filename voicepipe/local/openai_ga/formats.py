"""The wire's three audio formats, to and from s16le at 24 kHz, which everything behind the wire works with."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from voicepipe.audio.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from voicepipe.audio.resampler import StreamResampler
from voicepipe.local.openai_ga.events import Refusal
from voicepipe.local.wishes import RATE

_TELEPHONE_RATE: Final = 8000
_LARGEST_APPEND: Final = 15 * 1024 * 1024

BYTES_PER_MS: Final[Mapping[str, int]] = MappingProxyType({"audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8})
_ENCODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = MappingProxyType(
    {"audio/pcmu": ulaw_encode, "audio/pcma": alaw_encode}
)
_DECODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = MappingProxyType(
    {"audio/pcmu": ulaw_decode, "audio/pcma": alaw_decode}
)


def encoded(pcm: bytes, kind: str) -> bytes:
    """Return one utterance, s16le mono at 24 kHz, in the format `kind`."""
    if kind not in _ENCODERS:
        return pcm
    resampler = StreamResampler(RATE, _TELEPHONE_RATE)
    return _ENCODERS[kind](resampler.process(pcm) + resampler.flush())


class Decoder:
    """Decodes a stream of sound in one format to s16le at 24 kHz."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._decode = _DECODERS.get(kind)
        # Also where nothing is resampled: it keeps an odd byte for the next chunk.
        self._resampler = StreamResampler(_TELEPHONE_RATE if self._decode else RATE, RATE)

    def process(self, sound: bytes) -> bytes:
        """Return what `sound` and what came before it give."""
        return self._resampler.process(self._decode(sound) if self._decode else sound)

    def end_utterance(self) -> bytes:
        """Return what the resampler still holds; half a sample stays, since the stream goes on."""
        return self._resampler.flush() if self._decode else b""

    def reset(self) -> None:
        """Forget what came before."""
        self._resampler.reset()


def decoded(sound: bytes, kind: str) -> bytes:
    """Return one utterance in the format `kind` as s16le mono at 24 kHz."""
    decoder = Decoder(kind)
    return decoder.process(sound) + decoder.end_utterance()


def from_base64(text: str, param: str) -> bytes:
    """Return the sound in a field of a client event.

    Raises:
        Refusal: It is not base64, or more than the API takes at once.
    """
    try:
        sound = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        message = f"Invalid '{param}'. Expected base64-encoded audio bytes."
        raise Refusal("invalid_value", message, param) from None
    if len(sound) > _LARGEST_APPEND:
        raise Refusal("invalid_value", f"Invalid '{param}': more than 15 MiB of audio.", param)
    return sound
