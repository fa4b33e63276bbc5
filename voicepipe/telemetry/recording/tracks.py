"""Both parties on one time axis as a WAV file: the caller on the left, on the right what was really heard of the bot.

Made of a recording's entries when the call is over, with all that became known meanwhile: marks that came late, and where
an answer was cut. Memory does not grow with the call: the file is mapped, and written where sound was.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from voicepipe.audio.resampler import StreamResampler
from voicepipe.telemetry.recording.layout import EVENTS, SOUND, TRACKS, Entry
from voicepipe.telemetry.recording.reader import Recording, entries_of

TRACK_RATE: Final = 16_000
"""In hertz: more than any telephone has, and enough to judge a voice by."""
_TOLERANCE_MS: Final = 10.0
"""What the tracks are exact to."""
_WINDOW_MS: Final = 1000.0
_HURRY_MS: Final = 100.0
"""A caller who is so far ahead is no clock that runs fast, but a file that is read without waiting."""
_LATE_MARK_MS: Final = 2000.0
_BLOCK_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Piece:
    """Sound of the bot's and when it is played, in milliseconds since the recording began."""

    context_id: str
    sound: tuple[int, int]
    sample_rate: int
    arrived_ms: float
    start_ms: float
    played_ms: float

    @property
    def end_ms(self) -> float:
        """When it has been played."""
        return self.start_ms + self.played_ms


class Playing:
    """Works out when each piece of the bot's sound was heard, from what the transport said and when answers were cut."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._sent_ms: dict[str, float] = {}
        self._end_ms = 0.0

    def arrived(self, entry: Entry) -> list[Piece]:
        """Take sound; returns pieces of which nothing new will become known."""
        at_ms, (_, size) = entry["t"], entry["sound"]
        duration_ms = size / 2 * 1000 / entry["rate"]
        context_id = entry.get("context", "")
        piece = Piece(
            context_id, tuple(entry["sound"]), entry["rate"], at_ms, max(at_ms, self._end_ms), duration_ms
        )
        self._pieces.append(piece)
        self._end_ms = piece.end_ms
        self._sent_ms[context_id] = self._sent_ms.get(context_id, 0.0) + duration_ms
        return self._settled(at_ms - _LATE_MARK_MS)

    def mark(self, context_id: str, played_ms: float, at_ms: float) -> None:
        """Take the transport's word for how much of an answer it had played."""
        mine = [piece for piece in self._pieces if piece.context_id == context_id]
        if not mine:
            return
        before_ms = self._sent_ms[context_id] - sum(piece.played_ms for piece in mine)
        for piece in mine:
            if before_ms + piece.played_ms >= played_ms - 1e-3:
                late_ms = at_ms - (piece.start_ms + max(0.0, played_ms - before_ms))
                if abs(late_ms) > _TOLERANCE_MS / 2:
                    self._shift(mine[0] if played_ms > before_ms else piece, late_ms)
                return
            before_ms += piece.played_ms

    def cut(self, at_ms: float) -> None:
        """What has not been played by now is not heard any more."""
        for piece in self._pieces:
            piece.played_ms = min(piece.played_ms, max(0.0, at_ms - piece.start_ms))
        self._pieces = deque(piece for piece in self._pieces if piece.played_ms > 0)
        self._end_ms = min(self._end_ms, at_ms)
        self._sent_ms.clear()
        for piece in self._pieces:
            self._sent_ms[piece.context_id] = self._sent_ms.get(piece.context_id, 0.0) + piece.played_ms

    def rest(self) -> list[Piece]:
        """Return all pieces that are left."""
        return self._settled(float("inf"))

    def _shift(self, first: Piece, late_ms: float) -> None:
        found, end_ms = False, 0.0
        for piece in self._pieces:
            found = found or piece is first
            if found:
                piece.start_ms = max(piece.arrived_ms, piece.start_ms + late_ms, end_ms)
            end_ms = piece.end_ms
        self._end_ms = end_ms

    def _settled(self, before_ms: float) -> list[Piece]:
        settled: list[Piece] = []
        while self._pieces and self._pieces[0].end_ms < before_ms:
            settled.append(self._pieces.popleft())
        return settled


def heard_pieces(entries: Iterable[Entry]) -> Iterator[Piece]:
    """Return the bot's sound as it was heard, in order."""
    playing = Playing()
    last_ms = 0.0
    for entry in entries:
        last_ms = max(last_ms, entry["t"])
        if entry["k"] == "sound" and entry["who"] == "bot":
            yield from playing.arrived(entry)
        elif entry["k"] == "frame" and entry["frame"] == "PlaybackMarkFrame":
            playing.mark(**entry["fields"])
        elif entry["k"] == "frame" and entry["frame"] in ("InterruptionFrame", "CancelFrame"):
            playing.cut(entry["t"])
    playing.cut(last_ms)
    yield from playing.rest()


class Said:
    """The caller's chunks: when each arrived and where its sound lies; a few numbers a chunk, however long the call is."""

    def __init__(self) -> None:
        self._arrived_ms = array("d")
        self._durations_ms = array("d")
        self._where = array("q")

    def arrived(self, entry: Entry) -> None:
        """Take a chunk."""
        offset, size = entry["sound"]
        self._arrived_ms.append(entry["t"])
        self._durations_ms.append(size / 2 * 1000 / entry["rate"])
        self._where.extend((offset, size, entry["rate"]))

    def pieces(self) -> Iterator[tuple[float, tuple[int, int], int]]:
        """Return for each chunk when its first sample was spoken, where its sound lies, and its rate.

        A chunk arrives when its last sample has been spoken, or later. The least delayed one of each second says where the
        others belong; only what stays late for a second was really a gap.
        """
        ends = np.cumsum(np.array(self._durations_ms))
        least = _least_in_window(np.array(self._arrived_ms) - ends, ends)
        offset_ms = least[0] if least else 0.0
        for index, new_ms in enumerate(least):
            if new_ms > offset_ms + _TOLERANCE_MS or -_HURRY_MS < new_ms - offset_ms < -_TOLERANCE_MS:
                offset_ms = new_ms
            offset, size, rate = self._where[3 * index : 3 * index + 3]
            yield float(ends[index]) - self._durations_ms[index] + offset_ms, (offset, size), rate


def _least_in_window(offsets: NDArray[np.float64], ends: NDArray[np.float64]) -> list[float]:
    """Return for each chunk the least offset of those that follow within a second of sound."""
    least = [0.0] * len(offsets)
    window: deque[int] = deque()
    for index in range(len(offsets) - 1, -1, -1):
        while window and offsets[window[-1]] >= offsets[index]:
            window.pop()
        window.append(index)
        while ends[window[0]] > ends[index] + _WINDOW_MS:
            window.popleft()
        least[index] = float(offsets[window[0]])
    return least


class _Track:
    """One channel of the file, written where sound was.

    Args:
        samples: The channel.
    """

    def __init__(self, samples: NDArray[np.int16]) -> None:
        self._samples = samples
        self._at = 0
        self._resampler: StreamResampler | None = None
        self._taken_ms = 0.0
        self._began = -TRACK_RATE

    def place(self, start_ms: float, pcm: bytes, sample_rate: int) -> None:
        """Put sound where it belongs; what follows without a gap is joined to it without a seam."""
        at = max(0, round(start_ms * TRACK_RATE / 1000))
        rate = self._resampler.in_rate if self._resampler else TRACK_RATE
        if abs(at - self._held_at()) > TRACK_RATE // 1000 or rate != sample_rate:
            self.flush()
            self._at = at
            self._resampler = StreamResampler(sample_rate, TRACK_RATE) if sample_rate != TRACK_RATE else None
            self._taken_ms = 0.0
            self._began = at
        self._taken_ms += len(pcm) / 2 * 1000 / sample_rate
        self._write(pcm if self._resampler is None else self._resampler.process(pcm))

    def _held_at(self) -> int:
        """Where the next sound would be without a gap, whatever the resampler holds back."""
        return self._began + round(self._taken_ms * TRACK_RATE / 1000)

    def flush(self) -> None:
        """Write what the resampler holds back."""
        if self._resampler is not None:
            self._write(self._resampler.flush())
            self._resampler = None

    def _write(self, pcm: bytes) -> None:
        samples = np.frombuffer(pcm, np.int16)[: max(0, len(self._samples) - self._at)]
        self._samples[self._at : self._at + len(samples)] = samples
        self._at += len(samples)


def write_tracks(folder: Path) -> Path:
    """Make the WAV file of a recording; returns where it is.

    Raises:
        RecordingError: There is no recording.
        OSError: The file cannot be written.
    """
    events, path = Recording(folder).folder / EVENTS, folder / TRACKS
    part = path.with_name(path.name + ".part")
    try:
        _write_tracks(events, folder / SOUND, part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def _write_tracks(events: Path, sound_file: Path, path: Path) -> None:
    said, last_ms = Said(), 0.0
    for entry in entries_of(events):
        last_ms = max(last_ms, entry["t"])
        if entry["k"] == "sound" and entry["who"] == "caller":
            said.arrived(entry)
    length = round(last_ms * TRACK_RATE / 1000)
    with path.open("wb") as file:
        file.write(wav_header(2 * 2 * length, TRACK_RATE, 2))
        _take_room(file, 4 * length)
    if length:
        both = np.memmap(path, np.int16, "r+", offset=44, shape=(length, 2))
        with sound_file.open("rb") as sound:
            _fill(both, said, heard_pieces(entries_of(events)), sound.fileno())
        both.flush()


def _take_room(file: BinaryIO, size: int) -> None:
    """Add silence that is on the disk: a write to mapped memory for which a full disk has no room kills the process."""
    while size > 0:
        size -= file.write(bytes(min(size, _BLOCK_BYTES)))


def _fill(both: NDArray[np.int16], said: Said, heard: Iterable[Piece], sound: int) -> None:
    caller, bot = _Track(both[:, 0]), _Track(both[:, 1])
    for start_ms, (offset, size), rate in said.pieces():
        # Whole samples: of the last one of a chunk a byte may be missing.
        caller.place(start_ms, _read(sound, offset, size // 2 * 2), rate)
    caller.flush()
    for piece in heard:
        size = min(2 * round(piece.played_ms * piece.sample_rate / 1000), piece.sound[1])
        bot.place(piece.start_ms, _read(sound, piece.sound[0], size), piece.sample_rate)
    bot.flush()


def _read(sound: int, offset: int, size: int) -> bytes:
    return os.pread(sound, size, offset).ljust(size, b"\0")


def wav_header(size: int, sample_rate: int, channels: int) -> bytes:
    """Return the 44 bytes that stand before s16le sound of a size in bytes."""
    block = 2 * channels
    head = struct.pack("<4sI4s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16)
    form = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * block, block, 16)
    return head + form + struct.pack("<4sI", b"data", size)
