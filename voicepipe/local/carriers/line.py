"""The carrier's side of one call, as a plain object: what it sends when, and what the caller hears. Times are passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Final

from voicepipe.local.carriers.dialect import BadMessageError, Clear, Dialect, Mark, Play
from voicepipe.local.carriers.mishaps import Mishaps
from voicepipe.local.carriers.player import BYTES_PER_MS, SILENCE, Player

FRAME_MS: Final = 20
_FRAME: Final = FRAME_MS * BYTES_PER_MS
_ROUNDING_MS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Cut:
    """The bot had the carrier throw away what it had not played.

    Parameters:
        at_ms: When, from the beginning of the call.
        played_ms: How much of the bot's sound had been played by then, over the whole call.
        dropped_ms: How much was thrown away.
    """

    at_ms: float
    played_ms: float
    dropped_ms: float


def _into_the_air(_sound: bytes) -> None:
    return


class CarrierLine:
    """One call on one carrier. All times are milliseconds on one clock, which the caller of a method reads.

    The caller's sound leaves in frames of 20 ms, each when its last sample is there, and silence where the caller says
    nothing. Whoever drives it asks `next_due_ms` when to call `advance`.

    Args:
        dialect: The carrier's wire.
        parameters: What the markup hands on to the bot.
        plays: Whether the stream goes both ways; on one that only listens, nothing that the bot sends has any effect.
        both_tracks: Whether the carrier says at the start that it sends the bot's track too.
        lead_ms: How long sound waits that comes while nothing plays.
        mishaps: What goes wrong.
        said: Called with each frame of the caller's sound, as it was said.
        heard: Called with each piece of what the caller hears, gapless.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        parameters: Mapping[str, str] | None = None,
        plays: bool = True,
        both_tracks: bool = False,
        lead_ms: float = 0.0,
        mishaps: Mishaps | None = None,
        said: Callable[[bytes], None] = _into_the_air,
        heard: Callable[[bytes], None] = _into_the_air,
    ) -> None:
        self.cuts: list[Cut] = []
        """Where the bot was cut."""
        self.keys = ""
        """The keys that the bot pressed."""
        self.refusals: list[str] = []
        """What the bot sent that the carrier does not take."""
        self.is_over = False
        """Whether the carrier has ended the stream."""
        self._dialect = dialect
        self._parameters = dict(parameters or {})
        self._plays = plays
        self._both_tracks = both_tracks
        self._mishaps = mishaps or Mishaps()
        self._said = said
        self._heard = heard
        self._lead_ms = lead_ms
        self._began_ms = 0.0
        self._frames = 0
        self._to_say: deque[int] = deque()
        self._late: list[tuple[float, int, str]] = []
        self._order = count()
        self._player = Player(0.0, heard, lead_ms)

    @property
    def dialect(self) -> Dialect:
        """The carrier's wire."""
        return self._dialect

    @property
    def is_saying(self) -> bool:
        """Whether the caller has more to say."""
        return bool(self._to_say)

    @property
    def said_ms(self) -> float:
        """How much of the caller's sound has left, silence included, when it was last advanced."""
        return self._frames * FRAME_MS

    @property
    def is_playing(self) -> bool:
        """Whether there is sound of the bot that has not been played."""
        return self._player.is_playing

    @property
    def played_ms(self) -> float:
        """How much of the bot's sound has been played over the whole call, when it was last advanced."""
        return self._player.played_ms

    @property
    def next_due_ms(self) -> float:
        """When the next thing happens."""
        due = self._began_ms + (self._frames + 1) * FRAME_MS
        if self._late:
            due = min(due, self._late[0][0])
        mark_ms = self._player.next_mark_ms
        return due if mark_ms is None else min(due, mark_ms)

    def open(self, now_ms: float) -> list[str]:
        """Begin the call, and return what the carrier says first."""
        self._began_ms = now_ms
        self._player = Player(now_ms, self._heard, self._lead_ms)
        return list(self._dialect.opening(self._parameters, both_tracks=self._both_tracks))

    def say(self, sound: bytes) -> None:
        """Have the caller say mu-law sound, after what there is to say already."""
        self._to_say.extend(sound)

    def press(self, keys: str, now_ms: float) -> list[str]:
        """Have the caller press keys, and return the messages that tell of it."""
        return [self._dialect.key(key, now_ms - self._began_ms) for key in keys]

    def advance(self, now_ms: float) -> list[str]:
        """Return all that is to go to the bot by now."""
        if self.is_over:
            return []
        messages = [self._dialect.played(name) for name in self._player.advance(now_ms)]
        while self._began_ms + (self._frames + 1) * FRAME_MS <= now_ms + _ROUNDING_MS:
            messages += self._next_frame()
        while self._late and self._late[0][0] <= now_ms + _ROUNDING_MS:
            messages.append(heappop(self._late)[2])
        return messages

    def receive(self, message: str | bytes, now_ms: float) -> list[str]:
        """Do what the bot wants, and return the answer. A message the carrier does not take may end the stream."""
        messages = self.advance(now_ms)
        if self.is_over or not self._plays:
            return messages
        try:
            wish = self._dialect.read(message)
        except BadMessageError as error:
            self.refusals.append(str(error))
            self.is_over = self._dialect.closes_on_bad_messages
            return [*messages, *self._dialect.refused(str(error))]
        if isinstance(wish, Play):
            self._player.play(wish.sound)
        elif isinstance(wish, Mark):
            self._player.mark(wish.name)
            messages += [self._dialect.played(name) for name in self._player.advance(now_ms)]
        elif isinstance(wish, Clear):
            messages += self._clear(now_ms)
        else:
            self.keys += wish.keys
        return messages

    def hang_up(self) -> list[str]:
        """End the call, and return what the carrier says last."""
        self.is_over = True
        return list(self._dialect.stop())

    def _clear(self, now_ms: float) -> list[str]:
        dropped_ms = self._player.waiting_ms
        self.cuts.append(Cut(now_ms - self._began_ms, self._player.played_ms, dropped_ms))
        marks = self._player.clear()
        returned = [self._dialect.played(name) for name in marks] if self._dialect.returns_cut_marks else []
        return [*self._dialect.cleared(), *returned]

    def _next_frame(self) -> list[str]:
        sound = bytes(self._to_say.popleft() for _ in range(min(_FRAME, len(self._to_say))))
        sound += SILENCE * (_FRAME - len(sound))
        self._said(sound)
        begins_ms = self._frames * FRAME_MS
        self._frames += 1
        number = self._frames
        message = self._dialect.media(sound, number, begins_ms)
        if number in self._mishaps.lost:
            return []
        if number in self._mishaps.late:
            due_ms = self._began_ms + begins_ms + FRAME_MS + self._mishaps.late[number]
            heappush(self._late, (due_ms, next(self._order), message))
            return []
        return [message, message] if number in self._mishaps.doubled else [message]
