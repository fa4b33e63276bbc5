"""The sound formats of the wire, by the names under which the server tells them (protocol page, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voicepipe.audio.g711 import ulaw_decode, ulaw_encode
from voicepipe.errors import AudioFormatError

DEFAULT_FORMAT: Final = "pcm_16000"
"""What an agent has where the server says nothing."""
FORMATS: Final = (
    "pcm_8000",
    "pcm_16000",
    "pcm_22050",
    "pcm_24000",
    "pcm_44100",
    "pcm_48000",
    "ulaw_8000",
)


@dataclass(frozen=True, slots=True)
class WireFormat:
    """One format of sound on the wire.

    Parameters:
        name: As the wire has it.
        sample_rate: In hertz.
        is_ulaw: Whether it is G.711 mu-law; otherwise s16le mono.
    """

    name: str
    sample_rate: int
    is_ulaw: bool

    @property
    def sample_bytes(self) -> int:
        """How many bytes a sample has on the wire."""
        return 1 if self.is_ulaw else 2

    def encode(self, pcm: bytes) -> bytes:
        """Return s16le mono at `sample_rate` as the wire has it."""
        return ulaw_encode(pcm) if self.is_ulaw else pcm

    def decode(self, sound: bytes) -> bytes:
        """Return sound of the wire as s16le mono at `sample_rate`."""
        return ulaw_decode(sound) if self.is_ulaw else sound


def wire_format(name: str) -> WireFormat:
    """Return the format of a name.

    Raises:
        AudioFormatError: There is no such format.
    """
    if name not in FORMATS:
        raise AudioFormatError(f"{name!r} is none of {', '.join(FORMATS)}")
    kind, _, rate = name.partition("_")
    return WireFormat(name, int(rate), kind == "ulaw")
