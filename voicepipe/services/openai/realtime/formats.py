"""The three sound formats of the wire and how PCM becomes each (protocol page, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from voicepipe.audio.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from voicepipe.services.openai.realtime.events import AudioFormat, PCMAAudioFormat, PCMUAudioFormat


@dataclass(frozen=True, slots=True)
class WireFormat:
    """One format of sound on the wire.

    Parameters:
        sample_rate: In hertz.
        bytes_per_ms: Of sound on the wire.
        encode: From s16le mono at `sample_rate` to the wire.
        decode: The way back.
    """

    sample_rate: int
    bytes_per_ms: int
    encode: Callable[[bytes], bytes]
    decode: Callable[[bytes], bytes]


def _as_it_is(pcm: bytes) -> bytes:
    return pcm


_PCM = WireFormat(24000, 48, _as_it_is, _as_it_is)
_PCMU = WireFormat(8000, 8, ulaw_encode, ulaw_decode)
_PCMA = WireFormat(8000, 8, alaw_encode, alaw_decode)
FORMATS: Final[Mapping[str, WireFormat]] = {"audio/pcm": _PCM, "audio/pcmu": _PCMU, "audio/pcma": _PCMA}
"""By their `type` on the GA wire."""


def wire_format(setting: AudioFormat | None) -> WireFormat:
    """Return what a setting means; the API's own default is PCM at 24 kHz."""
    if isinstance(setting, PCMUAudioFormat):
        return _PCMU
    return _PCMA if isinstance(setting, PCMAAudioFormat) else _PCM
