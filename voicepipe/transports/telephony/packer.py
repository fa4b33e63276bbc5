"""Sound as the carrier takes it: as it comes, unless a piece is shorter or longer than one message may be."""

from __future__ import annotations

from voicepipe.transports.telephony.wire import CarrierWire


class Packer:
    """Holds back only what is too short for a message of its own.

    Args:
        wire: The carrier's, with its bounds and the coding of the sound.
    """

    def __init__(self, wire: CarrierWire) -> None:
        codec = wire.outgoing
        self._shortest = wire.shortest_ms * codec.bytes_per_ms
        self._longest = wire.longest_ms * codec.bytes_per_ms
        self._silence = codec.silence
        self._short = b""

    def pieces(self, sound: bytes) -> list[bytes]:
        """Return what can go out of coded sound and what was held back before it."""
        sound = self._short + sound
        self._short = b""
        found = [sound[start : start + self._longest] for start in range(0, len(sound), self._longest)]
        if found and len(found[-1]) < self._shortest:
            self._short = found.pop()
        return found

    def rest(self) -> list[bytes]:
        """Return what was held back, filled up with silence: nothing comes after it."""
        short, self._short = self._short, b""
        if not short:
            return []
        return [short + self._silence * ((self._shortest - len(short)) // len(self._silence))]

    def reset(self) -> None:
        """Forget what was held back."""
        self._short = b""
