"""Resampling on the way: a streaming core without I/O, and the processor that puts it into a pipeline.

Between 8, 16, 24 and 48 kHz a polyphase FIR holds sound back for 2 ms at most. soxr serves all other ratios, and these
too on request; what it holds back, measured with 20 ms chunks (median / longest, milliseconds):

| quality | 8 to 24 kHz, 24 to 8 kHz | 16 to 24 kHz | 44.1 to 24 kHz |
|---|---|---|---|
| soxr-qq | 0 / 0 | 0 / 0 | 0 / 0 |
| soxr-lq | 23 / 40 | 11 / 20 | 11 / 20 |
| soxr-mq | 43 / 75 | 21 / 38 | 21 / 39 |
| soxr-hq | 42 / 73 | 21 / 37 | 22 / 38 |
| soxr-vhq | 85 / 153 | 43 / 76 | 22 / 37 |

`soxr-qq` interpolates without a filter: quick, but what is above the lower rate's half folds back.
"""

from __future__ import annotations

from copy import copy
from typing import Any, Literal, Protocol, TypeAlias, cast

import numpy as np
import soxr
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voicepipe.audio.polyphase import RATES, PolyphaseCore, Samples
from voicepipe.errors import AudioFormatError
from voicepipe.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    TTSStoppedFrame,
)

Quality: TypeAlias = Literal["auto", "polyphase", "soxr-qq", "soxr-lq", "soxr-mq", "soxr-hq", "soxr-vhq"]
"""`auto` is `polyphase` where that serves, else `soxr-hq`."""

_LOWEST_RATE, _HIGHEST_RATE = 1000, 192_000


class _Core(Protocol):
    delay_ms: float

    def process(self, samples: Samples) -> Samples: ...
    def flush(self) -> Samples: ...
    def reset(self) -> None: ...


class _SoxrCore:
    """soxr behind the same three methods."""

    def __init__(self, in_rate: int, out_rate: int, quality: str) -> None:
        self._stream = soxr.ResampleStream(in_rate, out_rate, 1, dtype="int16", quality=quality)
        # Its filter is linear in phase and soxr takes its delay off, so sound only waits for more to come.
        self.delay_ms = 0.0

    def process(self, samples: Samples) -> Samples:
        return cast("Samples", self._stream.resample_chunk(samples))

    def flush(self) -> Samples:
        rest = cast("Samples", self._stream.resample_chunk(np.empty(0, np.int16), last=True))
        self.reset()
        return rest

    def reset(self) -> None:
        self._stream.clear()


class StreamResampler:
    """Resamples a stream of s16le mono, in chunks of any length in bytes; an odd byte waits for its other half.

    The same samples come out whatever the chunks are. Where the rates are equal, sound passes as it is.

    Args:
        in_rate: In hertz.
        out_rate: In hertz.
        quality: Which method; see the module's table for what soxr's hold back.

    Raises:
        AudioFormatError: A rate is not a whole number from 1,000 to 192,000, or `polyphase` was asked for between rates
            that it does not serve.
    """

    def __init__(self, in_rate: int, out_rate: int, quality: Quality = "auto") -> None:
        self.in_rate = _checked("in_rate", in_rate)
        """The rate of what goes in, in hertz."""
        self.out_rate = _checked("out_rate", out_rate)
        """The rate of what comes out, in hertz."""
        self._core: _Core | None = _core(in_rate, out_rate, quality) if in_rate != out_rate else None
        self._odd = b""

    @property
    def delay_ms(self) -> float:
        """How much later than it went in a sound comes out, in milliseconds: the filter's group delay."""
        return self._core.delay_ms if self._core else 0.0

    def process(self, pcm: bytes) -> bytes:
        """Return what `pcm` and the sound before it give, at `out_rate`; it may be nothing yet."""
        if self._odd:
            pcm = self._odd + pcm
        if len(pcm) % 2:
            pcm, self._odd = pcm[:-1], pcm[-1:]
        elif self._odd:
            self._odd = b""
        if self._core is None or not pcm:
            return pcm
        return self._core.process(np.frombuffer(pcm, np.int16)).tobytes()

    def flush(self) -> bytes:
        """Return the tail that was held back; then it is ready for another stream. Half a sample is dropped."""
        self._odd = b""
        return self._core.flush().tobytes() if self._core else b""

    def reset(self) -> None:
        """Forget the stream; nothing of it comes out any more."""
        self._odd = b""
        if self._core:
            self._core.reset()


def _checked(name: str, rate: Any) -> int:
    if isinstance(rate, int) and not isinstance(rate, bool) and _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        return rate
    raise AudioFormatError(
        f"{name}: {rate!r} is not a whole number of hertz from {_LOWEST_RATE} to {_HIGHEST_RATE}"
    )


def _core(in_rate: int, out_rate: int, quality: Quality) -> _Core:
    serves = in_rate in RATES and out_rate in RATES
    if quality == "polyphase" and not serves:
        among = ", ".join(str(rate) for rate in RATES)
        raise AudioFormatError(
            f"quality: 'polyphase' serves rates among {among}, not {in_rate} to {out_rate}"
        )
    if quality == "polyphase" or (quality == "auto" and serves):
        return PolyphaseCore(in_rate, out_rate)
    name = "HQ" if quality == "auto" else quality.removeprefix("soxr-").upper()
    return _SoxrCore(in_rate, out_rate, name)


class AudioResampler(FrameProcessor):
    """Brings sound to the rates that what follows takes: the user's on its way in, the bot's on its way out.

        Pipeline([transport.input(), AudioResampler(), llm, transport.output()])

    Before a realtime service it makes `InputAudioRawFrame`s of 24 kHz out of whatever the transport gives. After one,
    it brings `OutputAudioRawFrame`s to the transport's rate. Frames keep their class and all their other fields.

    Args:
        in_rate: For the user's sound, in hertz; OpenAI takes 24,000.
        out_rate: For the bot's sound, in hertz; the default is the pipeline's `audio_out_sample_rate`.
        quality: See `StreamResampler`.
    """

    def __init__(
        self, *, in_rate: int = 24000, out_rate: int | None = None, quality: Quality = "auto", **kwargs: Any
    ) -> None:
        super().__init__(enable_direct_mode=True, **kwargs)
        self._in_rate = _checked("in_rate", in_rate)
        self._out_rate = None if out_rate is None else _checked("out_rate", out_rate)
        self._quality: Quality = quality
        self._user: StreamResampler | None = None
        self._bot: StreamResampler | None = None
        self._last_of_bot: OutputAudioRawFrame | None = None
        self._refused_channels = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Resample sound; pass all else on, the bot's tail before what ends its sound."""
        await super().process_frame(frame, direction)
        if direction == FrameDirection.DOWNSTREAM:
            if isinstance(frame, InputAudioRawFrame):
                await self._resample_user(frame)
                return
            if isinstance(frame, OutputAudioRawFrame):
                await self._resample_bot(frame)
                return
            if isinstance(frame, TTSStoppedFrame | EndFrame):
                await self._push_tail_of_bot()
        if isinstance(frame, InterruptionFrame) and self._bot is not None:
            # What is left in the filter belongs to an answer that nobody is to hear any more.
            self._bot.reset()
            self._last_of_bot = None
        await self.push_frame(frame, direction)

    async def _resample_user(self, frame: InputAudioRawFrame) -> None:
        if not await self._is_mono(frame):
            return
        if self._user is None or self._user.in_rate != frame.sample_rate:
            if self._user is not None:
                await self._push_sound(frame, self._user.flush(), self._in_rate)
            self._user = StreamResampler(frame.sample_rate, self._in_rate, self._quality)
        await self._push_sound(frame, self._user.process(frame.audio), self._in_rate)

    async def _resample_bot(self, frame: OutputAudioRawFrame) -> None:
        if not await self._is_mono(frame):
            return
        out_rate = self._out_rate or self.processor_setup.audio_out_sample_rate
        if self._bot is None or (self._bot.in_rate, self._bot.out_rate) != (frame.sample_rate, out_rate):
            await self._push_tail_of_bot()
            self._bot = StreamResampler(frame.sample_rate, out_rate, self._quality)
        self._last_of_bot = frame
        await self._push_sound(frame, self._bot.process(frame.audio), out_rate)

    async def _push_tail_of_bot(self) -> None:
        last, self._last_of_bot = self._last_of_bot, None
        if self._bot is not None and last is not None:
            await self._push_sound(last, self._bot.flush(), self._bot.out_rate)

    async def _push_sound(
        self, like: InputAudioRawFrame | OutputAudioRawFrame, pcm: bytes, sample_rate: int
    ) -> None:
        """Push sound in a frame like another one: that frame itself if nothing about it changed."""
        if not pcm:
            return
        if pcm is not like.audio:
            # A copy, with the id and all else: an observer may still hold the frame as it came.
            like = copy(like)
            like.audio, like.sample_rate, like.num_frames = pcm, sample_rate, len(pcm) // 2
        await self.push_frame(like)

    async def _is_mono(self, frame: InputAudioRawFrame | OutputAudioRawFrame) -> bool:
        if frame.num_channels == 1:
            return True
        if not self._refused_channels:
            self._refused_channels = True
            await self.push_error(
                f"num_channels: the resampler takes mono, {frame.name} has {frame.num_channels} channels"
            )
        return False
