"""Voice activity by Silero's model, which comes inside pipecat-ai."""

from __future__ import annotations

import copy
from functools import cache
from importlib import resources
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt

from voicepipe.local.speech import Pcm

_RESET_SECS: Final = 2.0
_QUIET: Final = 0.1
_QUIET_WINDOWS: Final = 5


class SileroActivity:
    """Tells speech from everything else, 32 ms of sound at a time.

    Cheap to make: all of them share one model, and each keeps only what it has heard itself. Long silence, noise or
    music make the model slow to notice speech, so it starts afresh in clear non-speech every two seconds, as Pipecat's
    analyzer does.
    """

    sample_rate: int = 16000
    window: int = 512

    def __init__(self) -> None:
        # A shallow copy: the loaded network is shared (its runs are thread-safe), what was heard is not.
        self._model = copy.copy(_loaded_model())
        self.reset()

    def confidence(self, pcm: Pcm) -> float:
        """Return how sure it is that `pcm`, exactly `window` samples, is speech: 0 to 1."""
        sound = pcm.astype(np.float32) / np.float32(32768)
        heard = float(self._model(sound, self.sample_rate)[0, 0])
        self._forget_if_due(heard)
        return heard

    def reset(self) -> None:
        """Forget what was heard before."""
        self._model.reset_states()
        self._windows = 0
        self._quiet_windows = 0

    def _forget_if_due(self, heard: float) -> None:
        self._windows += 1
        self._quiet_windows = self._quiet_windows + 1 if heard < _QUIET else 0
        is_due = self._windows * self.window >= _RESET_SECS * self.sample_rate
        if is_due and self._quiet_windows >= _QUIET_WINDOWS:
            self.reset()


class _Model(Protocol):
    """What is used of Pipecat's `SileroOnnxModel`, which carries few types."""

    def __call__(self, x: npt.NDArray[np.float32], sr: int) -> npt.NDArray[np.float32]: ...

    def reset_states(self) -> None: ...


@cache
def _loaded_model() -> _Model:
    from pipecat.audio.vad.silero import SileroOnnxModel

    with resources.as_file(resources.files("pipecat.audio.vad.data") / "silero_vad.onnx") as path:
        return cast(_Model, SileroOnnxModel(str(path)))
