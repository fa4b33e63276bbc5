"""The sound of a recording: one file that grows, of which spans can be silenced afterwards."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias
from zlib import crc32

Span: TypeAlias = tuple[int, int]
"""Where sound lies in the file: its first byte and how many there are."""

_REMEMBERED: Final = 128


class SoundFile:
    """Writes sound. The same sound comes twice, off the wire and as a frame, and is written once.

    Args:
        path: The file; it is made.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb", buffering=0)
        self._end = 0
        self._newest: deque[tuple[int, int, Span]] = deque(maxlen=_REMEMBERED)

    def put(self, sound: bytes) -> Span:
        """Write sound and return where it is."""
        key = crc32(sound)
        for other, size, span in self._newest:
            if other == key and size == len(sound):
                return span
        span = (self._end, len(sound))
        self._file.write(sound)
        self._end += len(sound)
        # Silence is all the same to a caller's track, but silencing one turn must not silence another.
        if sound.strip(b"\0"):
            self._newest.append((key, len(sound), span))
        return span

    def silence(self, spans: list[Span]) -> None:
        """Put zeros where sound was."""
        for offset, size in spans:
            self._file.seek(offset)
            self._file.write(bytes(size))
        self._file.seek(self._end)
        gone = set(spans)
        for remembered in [one for one in self._newest if one[2] in gone]:
            self._newest.remove(remembered)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
