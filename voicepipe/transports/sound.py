"""Sound from WAV files: any rate, width and number of channels, as s16le mono at the file's own rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import soundfile

from voicepipe.errors import AudioFormatError

_LARGEST_FLOAT = 1e6
"""Full scale is 1; what is so far beyond it is as loud as anything."""
_SILENT_PEAK = 33
"""On the 16-bit scale, -60 dB: what is softer all the way holds no words."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of sound.

    Parameters:
        pcm: s16le mono.
        sample_rate: In hertz.
    """

    pcm: bytes
    sample_rate: int

    @property
    def duration_ms(self) -> float:
        """How long it lasts, in milliseconds."""
        return len(self.pcm) * 500 / self.sample_rate

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to hear in it: no sample above -60 dB."""
        samples = np.frombuffer(self.pcm, np.int16).astype(np.int32)
        return not len(samples) or int(np.abs(samples).max()) < _SILENT_PEAK


def read_wav(path: str | Path) -> Sound:
    """Read a WAV file: PCM of 8 to 32 bits or floats, also in WAVE_FORMAT_EXTENSIBLE. Channels are mixed to one.

    Raises:
        FileNotFoundError: There is no such file.
        AudioFormatError: It is not a WAV file, or it holds no sound.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        with soundfile.SoundFile(path) as file:
            if file.format not in ("WAV", "WAVEX"):
                raise AudioFormatError(f"{path}: is {file.format}, not WAV")
            rate = int(file.samplerate)
            channels = cast("npt.NDArray[np.float64]", file.read(dtype="float64", always_2d=True))
    except soundfile.SoundFileError as error:
        raise AudioFormatError(f"{path}: is not a WAV file that can be read ({error})") from None
    if not len(channels):
        raise AudioFormatError(f"{path}: is empty, it holds no sound")
    # Floats may be no numbers at all, or so large that their sum is none.
    channels = np.clip(np.nan_to_num(channels), -_LARGEST_FLOAT, _LARGEST_FLOAT)
    mono = np.clip(np.rint(channels.mean(axis=1) * 32768), -32768, 32767)
    return Sound(mono.astype("<i2").tobytes(), rate)
