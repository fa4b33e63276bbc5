"""Writing a conversation down as WAV files: the bot alone, and both parties on one time axis."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np


class WavWriter:
    """A WAV file that takes its name when it is whole; until then it is `<name>.part`.

    Args:
        path: Where it is to be.
        sample_rate: In hertz.
        channels: How many.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        # Opened here: a wave file that cannot be opened complains once more when it is collected.
        self._disk = self._part.open("wb")
        self._file = wave.open(self._disk, "wb")  # noqa: SIM115 - it is open for as long as the call
        self._file.setnchannels(channels)
        self._file.setsampwidth(2)
        self._file.setframerate(sample_rate)

    def write(self, pcm: bytes) -> None:
        """Add sound, s16le."""
        self._file.writeframesraw(pcm)

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._end()
        os.replace(self._part, self._path)

    def discard(self) -> None:
        """Leave no file behind."""
        self._end()
        self._part.unlink()

    def _end(self) -> None:
        self._file.close()
        self._disk.close()


class Tracks:
    """Takes the caller's and the bot's track as they become final, and writes what is asked for of them.

    Args:
        sample_rate: Of both tracks, in hertz.
        answer_path: The bot as it was heard; what comes before its first sound is left out.
        stereo_path: The caller on the left, the bot on the right, from the start.

    Raises:
        OSError: A file cannot be written.
    """

    def __init__(self, sample_rate: int, answer_path: Path | None, stereo_path: Path | None) -> None:
        self._answer = WavWriter(answer_path, sample_rate, 1) if answer_path else None
        try:
            self._stereo = WavWriter(stereo_path, sample_rate, 2) if stereo_path else None
        except OSError:
            if self._answer is not None:
                self._answer.discard()
            raise
        self._answer_began = False
        self._caller = bytearray()
        self._bot = bytearray()

    def caller(self, pcm: bytes) -> None:
        """Add to the caller's track."""
        if self._stereo is not None:
            self._caller += pcm
            self._interleave()

    def silent_caller(self) -> None:
        """Fill the caller's track up with silence to where the bot's is."""
        if self._stereo is not None:
            self._caller += bytes(max(0, len(self._bot) - len(self._caller)))
            self._interleave()

    def bot(self, pcm: bytes) -> None:
        """Add to the bot's track."""
        if self._answer is not None:
            self._answer.write(self._from_first_sound(pcm))
        if self._stereo is not None:
            self._bot += pcm
            self._interleave()

    def close(self) -> None:
        """Finish both files; the shorter track is filled up with silence."""
        if self._answer is not None:
            self._answer.close()
        if self._stereo is not None:
            self._bot += bytes(max(0, len(self._caller) - len(self._bot)))
            self.silent_caller()
            self._interleave()
            self._stereo.close()
        self._answer = self._stereo = None

    def _from_first_sound(self, pcm: bytes) -> bytes:
        if self._answer_began:
            return pcm
        silent = len(pcm) - len(pcm.lstrip(b"\0"))
        self._answer_began = silent < len(pcm)
        return pcm[silent - silent % 2 :]

    def _interleave(self) -> None:
        ready = min(len(self._caller), len(self._bot))
        if not ready or self._stereo is None:
            return
        both = np.empty((ready // 2, 2), np.int16)
        both[:, 0] = np.frombuffer(bytes(self._caller[:ready]), np.int16)
        both[:, 1] = np.frombuffer(bytes(self._bot[:ready]), np.int16)
        self._stereo.write(both.tobytes())
        del self._caller[:ready], self._bot[:ready]
