"""The time axis that both ends of a WAV transport share, and what was said and heard on it."""

from __future__ import annotations

from pathlib import Path

from voicepipe.audio.resampler import StreamResampler
from voicepipe.loops import now_ms
from voicepipe.transports.listener import Cut, Listener
from voicepipe.transports.tracks import Tracks


class ConversationTime:
    """The axis begins with the conversation and goes with the event loop's clock.

    It runs ahead of that clock by what a caller in a hurry said in no time at all, so that what is said and heard stays
    where it belongs on the tracks.

    Args:
        sample_rate: Of both tracks, in hertz.
        answer_path: Where the bot's track is written.
        stereo_path: Where both are.
    """

    def __init__(self, sample_rate: int, answer_path: Path | None, stereo_path: Path | None) -> None:
        self.sample_rate = sample_rate
        self.cuts: list[Cut] = []
        self._answer_path = answer_path
        self._stereo_path = stereo_path
        self._ahead_ms = 0.0
        self._listener: Listener | None = None
        self._tracks: Tracks | None = None
        self._caller_resampler: StreamResampler | None = None

    def open(self) -> None:
        """Open the files.

        Raises:
            OSError: One of them cannot be written.
        """
        if self._tracks is None:
            self._tracks = Tracks(self.sample_rate, self._answer_path, self._stereo_path)

    def begin(self) -> None:
        """Begin, unless it has begun: now is where the axis starts."""
        if self._listener is None:
            self._listener = Listener(self.sample_rate, self._now_ms())

    def caller_began(self) -> None:
        """The caller begins to be recorded; before that, he was silent."""
        self.begin()
        if self._tracks is not None and self._listener is not None:
            self._tracks.bot(self._listener.track_until(self._now_ms()))
            self._tracks.silent_caller()

    def said(self, pcm: bytes, sample_rate: int, *, skipped_ms: float = 0.0) -> None:
        """Take what the caller said; the bot's track is brought up to now with it, so that both grow together.

        Args:
            pcm: s16le mono.
            sample_rate: Its rate, in hertz.
            skipped_ms: How much of the time that it takes to say this has not been waited for.
        """
        if self._tracks is None or self._listener is None:
            return
        self._ahead_ms += skipped_ms
        resampler = self._caller_resampler
        if resampler is None or resampler.in_rate != sample_rate:
            tail = resampler.flush() if resampler else b""
            resampler = self._caller_resampler = StreamResampler(sample_rate, self.sample_rate)
            self._tracks.caller(tail)
        self._tracks.caller(resampler.process(pcm))
        self._tracks.bot(self._listener.track_until(self._now_ms()))

    def arrived(self, context_id: str, pcm: bytes) -> bool:
        """Take the bot's sound; returns whether it plays at once because nothing else was playing."""
        self.begin()
        if self._tracks is None or self._listener is None:
            return False
        was_quiet = self._listener.playing(self._now_ms()) is None
        self._tracks.bot(self._listener.arrived(context_id, pcm, self._now_ms()))
        return was_quiet and bool(pcm)

    def cut(self) -> list[Cut]:
        """Throw away what has not been played; returns where each response was cut."""
        if self._tracks is None or self._listener is None:
            return []
        track, cuts = self._listener.cut(self._now_ms(), at_ms=now_ms())
        self._tracks.bot(track)
        self.cuts += cuts
        return cuts

    def playing(self) -> tuple[str, float] | None:
        """Return what is heard at this moment and for how long what has arrived of it will last, in milliseconds."""
        return self._listener.playing(self._now_ms()) if self._listener else None

    def heard_ms(self, context_id: str) -> float:
        """Return how much of a response was heard until now, or in all if the conversation is over."""
        if self._listener is None:
            return 0.0
        if self._tracks is not None:
            self._tracks.bot(self._listener.track_until(self._now_ms()))
        return self._listener.heard_ms(context_id)

    def close(self) -> None:
        """Bring both tracks up to now and finish the files: what has not been played is not heard any more.

        Closing again does nothing.
        """
        tracks, self._tracks = self._tracks, None
        if tracks is None:
            return
        if self._listener is not None:
            track, _ = self._listener.cut(self._now_ms())
            tracks.bot(track)
        if self._caller_resampler is not None:
            tracks.caller(self._caller_resampler.flush())
        tracks.close()

    def _now_ms(self) -> float:
        return now_ms() + self._ahead_ms
