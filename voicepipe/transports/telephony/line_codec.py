"""How sound is coded on a carrier's media stream, and the way to s16le and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voicepipe.audio.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from voicepipe.errors import CarrierStreamError

G711: Final = frozenset({"PCMU", "PCMA"})
"""The codings that an API may speak as well."""
_RATES: Final = {"PCMU": (8000,), "PCMA": (8000,), "L16": (8000, 16000, 24000)}
_NAMES: Final = {"audio/x-mulaw": "PCMU", "audio/x-alaw": "PCMA", "audio/x-l16": "L16"}
"""What Twilio and Plivo call them; Telnyx has the names of RTP."""


@dataclass(frozen=True, slots=True)
class LineCodec:
    """One coding.

    Parameters:
        name: `PCMU`, `PCMA` or `L16` (16-bit little-endian).
        sample_rate: In hertz.
        bytes_per_ms: Of coded sound.
        silence: One sample of silence, coded.
        decode: From coded sound to s16le mono at `sample_rate`.
        encode: The way back.
    """

    name: str
    sample_rate: int
    bytes_per_ms: int
    silence: bytes
    decode: Callable[[bytes], bytes]
    encode: Callable[[bytes], bytes]

    def duration_ms(self, sound: bytes) -> float:
        """Return how long coded sound lasts, in milliseconds."""
        return len(sound) / self.bytes_per_ms


def _as_it_is(pcm: bytes) -> bytes:
    return pcm


def line_codec(encoding: str, sample_rate: int) -> LineCodec:
    """Return the codec of a media format as a carrier names it.

    Args:
        encoding: `PCMU`, `PCMA`, `L16`, or the media types of the same.
        sample_rate: In hertz.

    Raises:
        CarrierStreamError: We do not know the encoding, or not at that rate.
    """
    name = _NAMES.get(encoding.partition(";")[0].strip().lower(), encoding.upper())
    if name not in _RATES:
        raise CarrierStreamError(f"encoding: {encoding!r} is none of {', '.join(_RATES)}")
    if sample_rate not in _RATES[name]:
        rates = ", ".join(str(rate) for rate in _RATES[name])
        raise CarrierStreamError(f"sample_rate: {name} comes with {rates} Hz, not {sample_rate}")
    if name == "PCMU":
        return LineCodec(name, sample_rate, 8, b"\xff", ulaw_decode, ulaw_encode)
    if name == "PCMA":
        return LineCodec(name, sample_rate, 8, b"\xd5", alaw_decode, alaw_encode)
    return LineCodec(name, sample_rate, sample_rate // 500, b"\0\0", _as_it_is, _as_it_is)
