"""The sound of a recording: one file that grows, of which spans can be silenced afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias
from zlib import crc32

Span: TypeAlias = tuple[int, int]
"""Where sound lies in the file: its first byte and how many there are."""

_REMEMBERED: Final = 128


class SoundFile:
    """Writes sound.

    Args:
        path: The file; it is made.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb", buffering=0)
        self._end = 0
        self._newest: deque[tuple[int, Span]] = deque(maxlen=_REMEMBERED)

    def put(self, sound: bytes) -> Span:
        """Write sound and return where it is."""
        span = (self._end, len(sound))
        self._file.write(sound)
        self._end += len(sound)
        return span

    def put_once(self, sound: bytes) -> Span:
        """Write sound, unless the same has just been: an answer comes off the wire and then as frames."""
        key = crc32(sound)
        for other, span in self._newest:
            if other == key and span[1] == len(sound):
                return span
        span = self.put(sound)
        self._newest.append((key, span))
        return span

    def forget(self) -> None:
        """Write what comes from here on for itself: silencing one answer must not silence another."""
        self._newest.clear()

    def silence(self, spans: Iterable[Span]) -> None:
        """Put zeros where sound was."""
        for offset, size in spans:
            self._file.seek(offset)
            self._file.write(bytes(size))
        self._file.seek(self._end)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
