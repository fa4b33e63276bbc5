"""Stands in for PyAudio: the microphone is a WAV file, the loudspeaker writes one. Real time, and a thread as PortAudio has.

It is put on the path of a process of its own. `FAKE_MICROPHONE` and `FAKE_LOUDSPEAKER` name the files; a machine without
the one or the other has no such device.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np
import soundfile

paContinue = 0
_DEVICES = {"input": "FAKE_MICROPHONE", "output": "FAKE_LOUDSPEAKER"}


class Stream:
    def __init__(self, rate: int, frames: int = 480, callback: Any = None) -> None:
        self._rate, self._frames, self._callback = rate, frames, callback
        self._stop = threading.Event()
        self._played: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, name="fake microphone", daemon=True)

    def start_stream(self) -> None:
        if self._callback is not None:
            self._thread.start()

    def stop_stream(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        if self._callback is None:
            pcm = np.frombuffer(b"".join(self._played), np.int16)
            soundfile.write(os.environ["FAKE_LOUDSPEAKER"], pcm, self._rate)

    def write(self, pcm: bytes) -> None:
        self._played.append(pcm)
        time.sleep(len(pcm) / 2 / self._rate)

    def _listen(self) -> None:
        samples, rate = soundfile.read(os.environ["FAKE_MICROPHONE"], dtype="int16")
        assert rate == self._rate
        began, at = time.monotonic(), 0
        while not self._stop.is_set():
            piece = samples[at : at + self._frames].tobytes().ljust(2 * self._frames, b"\0")
            self._callback(piece, self._frames, {}, 0)
            at += self._frames
            time.sleep(max(0.0, began + at / self._rate - time.monotonic()))


class PyAudio:
    def get_default_input_device_info(self) -> dict[str, Any]:
        return self._default("input")

    def get_default_output_device_info(self) -> dict[str, Any]:
        return self._default("output")

    def get_device_info_by_index(self, number: int) -> dict[str, Any]:
        if number:
            raise OSError("Invalid device")
        return {"name": "fake loudspeaker", "maxInputChannels": 0, "maxOutputChannels": 2}

    def get_format_from_width(self, width: int) -> int:
        return 8

    def open(
        self, *, rate: int, frames_per_buffer: int = 480, stream_callback: Any = None, **_: Any
    ) -> Stream:
        return Stream(rate, frames_per_buffer, stream_callback)

    def terminate(self) -> None:
        print("the sound system was given back")

    def _default(self, way: str) -> dict[str, Any]:
        if _DEVICES[way] not in os.environ:
            raise OSError(f"No Default {way.capitalize()} Device Available")
        return {"name": f"fake {way}", "maxInputChannels": 1, "maxOutputChannels": 1}
