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

`soxr-qq` interpolates without a filter: quick, but what is above the lower rate's half folds back. soxr's output is not
shifted against its input, as the polyphase's is by `delay_ms`: its sound is late because it waits for more to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, get_args

import numpy as np
import soxr

# What each chunk needs, by name: see `voicepipe.audio.polyphase`.
from numpy import frombuffer, int16
from pipecat.processors.frame_processor import FrameDirection

from voicepipe.audio.polyphase import RATES, PolyphaseCore, Samples
from voicepipe.errors import AudioFormatError
from voicepipe.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    PlaybackMarkFrame,
    StopFrame,
    TTSStoppedFrame,
)
from voicepipe.hops import SoundHops, sound_goes_around
from voicepipe.rests import Rest, done, joined

Quality: TypeAlias = Literal["auto", "polyphase", "soxr-qq", "soxr-lq", "soxr-mq", "soxr-hq", "soxr-vhq"]
"""`auto` is `polyphase` where that serves, else `soxr-hq`."""

_DOWN = FrameDirection.DOWNSTREAM
_LOWEST_RATE, _HIGHEST_RATE = 1000, 192_000

_Sound = TypeVar("_Sound", InputAudioRawFrame, OutputAudioRawFrame)
"""The user's or the bot's."""


class _Core(Protocol):
    delay_ms: float

    def process(self, samples: Samples) -> Samples: ...
    def flush(self) -> Samples: ...
    def reset(self) -> None: ...


class _SoxrCore:
    """soxr behind the same three methods."""

    def __init__(self, in_rate: int, out_rate: int, quality: str) -> None:
        # With int16, soxr adds dither noise that depends on the chunks, and goes on with it after `clear`.
        self._stream = soxr.ResampleStream(in_rate, out_rate, 1, dtype="float32", quality=quality)
        self.delay_ms = 0.0

    def process(self, samples: Samples) -> Samples:
        return self._give(samples, last=False)

    def flush(self) -> Samples:
        rest = self._give(np.empty(0, np.int16), last=True)
        self.reset()
        return rest

    def reset(self) -> None:
        self._stream.clear()

    def _give(self, samples: Samples, *, last: bool) -> Samples:
        out = np.rint(self._stream.resample_chunk(samples.astype(np.float32), last=last))
        np.minimum(out, 32767, out=out)
        np.maximum(out, -32768, out=out)
        return out.astype(np.int16)


class StreamResampler:
    """Resamples a stream of s16le mono, in chunks of any length in bytes; an odd byte waits for its other half.

    The same samples come out whatever the chunks are. Where the rates are equal, sound passes as it is.

    Args:
        in_rate: In hertz.
        out_rate: In hertz.
        quality: Which method; see the module's table for what soxr's hold back.

    Raises:
        AudioFormatError: A rate is not a whole number from 1,000 to 192,000, there is no such quality, or `polyphase` was
            asked for between rates that it does not serve.
    """

    def __init__(self, in_rate: int, out_rate: int, quality: Quality = "auto") -> None:
        self.in_rate = _checked("in_rate", in_rate)
        """The rate of what goes in, in hertz."""
        self.out_rate = _checked("out_rate", out_rate)
        """The rate of what comes out, in hertz."""
        quality = _checked_quality(quality)
        self._core: _Core | None = _core(in_rate, out_rate, quality) if in_rate != out_rate else None
        self._odd = b""

    @property
    def delay_ms(self) -> float:
        """How far sound is shifted within the stream, in milliseconds: the filter's group delay; 0 with soxr."""
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
        return self._core.process(frombuffer(pcm, int16)).tobytes()

    def flush(self) -> bytes:
        """Return the tail that was held back; then it is ready for another stream. Half a sample is dropped.

        With polyphase, the whole of what came out then lasts as long as what went in and twice `delay_ms`: each chunk
        has given its full length, and the tail is what the filter still holds. With soxr it lasts as long as what went
        in. Of a stream into which nothing went, nothing comes out.
        """
        self._odd = b""
        return self._core.flush().tobytes() if self._core else b""

    def reset(self) -> None:
        """Forget the stream; nothing of it comes out any more."""
        self._odd = b""
        if self._core:
            self._core.reset()


def _twin(frame: _Sound) -> _Sound:
    """Return what `copy.copy` does, in a fifth of its time."""
    twin = object.__new__(type(frame))
    vars(twin).update(vars(frame))
    return twin


def _checked(name: str, rate: Any) -> int:
    if isinstance(rate, int) and not isinstance(rate, bool) and _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        return rate
    raise AudioFormatError(
        f"{name}: {rate!r} is not a whole number of hertz from {_LOWEST_RATE} to {_HIGHEST_RATE}"
    )


def _checked_quality(quality: Quality) -> Quality:
    if quality in get_args(Quality):
        return quality
    raise AudioFormatError(f"quality: {quality!r} is none of {', '.join(get_args(Quality))}")


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


class _Side(Generic[_Sound]):
    """The sound of one side: frames of whatever rate in, frames of one rate out.

    It never awaits, so that a frame that overtakes another one, as an interruption does, finds it whole.
    """

    def __init__(self, quality: Quality) -> None:
        self._quality: Quality = quality
        self._stream: StreamResampler | None = None
        self._last: _Sound | None = None

    def take(self, frame: _Sound, out_rate: int) -> list[_Sound]:
        """Return the frames to push for this one: none if it completes no sample, a tail before it at a new rate."""
        if frame.num_channels != 1:
            kind = type(frame).__name__
            raise AudioFormatError(
                f"num_channels: the resampler takes mono, {kind} came with {frame.num_channels} channels"
            )
        frames: list[_Sound] = []
        stream = self._stream
        if stream is None or (stream.in_rate, stream.out_rate) != (frame.sample_rate, out_rate):
            stream = StreamResampler(frame.sample_rate, out_rate, self._quality)
            frames = self.end()
            self._stream = stream
        self._last = frame
        sound = frame.audio
        pcm = stream.process(sound)
        if not pcm:
            return frames
        if pcm is not sound:
            # A copy, with the id and all else: an observer may still hold the frame as it came.
            frame = _twin(frame)
            frame.audio, frame.sample_rate, frame.num_frames = pcm, out_rate, len(pcm) // 2
        return [*frames, frame]

    def end(self) -> list[_Sound]:
        """Return the tail of the stream, if it has one, in a frame like the last that came."""
        stream, last, self._last = self._stream, self._last, None
        pcm = stream.flush() if stream and last else b""
        if stream is None or last is None or not pcm:
            return []
        # A frame more than came in has an id of its own: parallel pipelines drop an id they have seen.
        tail = replace(last, audio=pcm, sample_rate=stream.out_rate)
        tail.metadata = dict(last.metadata)
        tail.transport_source, tail.transport_destination = last.transport_source, last.transport_destination
        tail.interruptible = last.interruptible
        return [tail]

    def reset(self) -> None:
        """Forget the stream."""
        self._last = None
        if self._stream is not None:
            self._stream.reset()


class AudioResampler(SoundHops):
    """Brings sound to the rates that what follows takes: the user's on its way in, the bot's on its way out.

        Pipeline([transport.input(), AudioResampler(), llm, transport.output()])

    Before a realtime service it makes `InputAudioRawFrame`s of 24 kHz out of whatever the transport gives. After one,
    it brings `OutputAudioRawFrame`s to the transport's rate. Frames keep their class and all their other fields.

    At `TTSStoppedFrame`, `EndFrame` and `StopFrame` the bot's tail goes out before that frame, in a frame like the last
    one; at an `InterruptionFrame` it is dropped. Sound that can't be used, as one with two channels, is dropped too, and
    an `ErrorFrame` says so once.

    Args:
        in_rate: For the user's sound, in hertz; OpenAI takes 24,000.
        out_rate: For the bot's sound, in hertz; the default is the pipeline's `audio_out_sample_rate`.
        quality: See `StreamResampler`.
    """

    passed_by = frozenset({PlaybackMarkFrame})

    def __init__(
        self, *, in_rate: int = 24000, out_rate: int | None = None, quality: Quality = "auto", **kwargs: Any
    ) -> None:
        super().__init__(enable_direct_mode=True, **kwargs)
        self._in_rate = _checked("in_rate", in_rate)
        self._out_rate = None if out_rate is None else _checked("out_rate", out_rate)
        _checked_quality(quality)
        self._user = _Side[InputAudioRawFrame](quality)
        self._bot = _Side[OutputAudioRawFrame](quality)
        self._refused: set[str] = set()

    @sound_goes_around
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Resample sound; pass all else on, the bot's tail before what ends its sound."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame | OutputAudioRawFrame):
            await done(self.process_sound(frame, direction))
            return
        if direction == _DOWN and isinstance(frame, TTSStoppedFrame | EndFrame | StopFrame):
            await done(self._push_all(self._bot.end()))
        if isinstance(frame, InterruptionFrame):
            # What is left in the filter belongs to an answer that nobody is to hear any more.
            self._bot.reset()
        await self.push_frame(frame, direction)

    def process_sound(self, frame: Frame, direction: FrameDirection) -> Rest:
        """Resample sound on its way down."""
        frames: Sequence[Frame] = (frame,)
        if direction is _DOWN:
            try:
                if isinstance(frame, InputAudioRawFrame):
                    frames = self._user.take(frame, self._in_rate)
                elif isinstance(frame, OutputAudioRawFrame):
                    out_rate = self._out_rate or self.processor_setup.audio_out_sample_rate
                    frames = self._bot.take(frame, out_rate)
            except AudioFormatError as error:
                return partial(self._refuse, error)
        return self.hop.push(frames[0], direction) if len(frames) == 1 else self._push_all(frames)

    async def _refuse(self, error: AudioFormatError) -> None:
        # Said once: the next chunk, 20 ms later, has the same fault.
        if str(error) not in self._refused:
            self._refused.add(str(error))
            await self.push_error(str(error), exception=error)

    def _push_all(self, frames: Sequence[Frame]) -> Rest:
        return joined([self.hop.push(frame) for frame in frames])
