"""The agent's side of the sound: one reply at a time, and how much of what went out has been heard.

The client is taken to play at once what arrives (protocol page, section 5), so what was heard follows from when it was
sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from voicepipe.audio.playback import PlaybackClock
from voicepipe.local.elevenlabs.agent import AudioFormat
from voicepipe.local.elevenlabs.events import Event, Events
from voicepipe.local.elevenlabs.reply import Reply, Utterance


@dataclass(frozen=True, slots=True)
class Cut:
    """What an interruption did.

    Parameters:
        reply: The reply that was being made, if one was.
        events: What the client is told.
        heard: Of each utterance that was cut, by id, the words that were heard.
    """

    reply: Reply | None
    events: list[Event]
    heard: dict[str, str]


class Speaking:
    """Lets replies out.

    Args:
        events: Of the conversation.
        kind: The format of the sound.
        marks_final: Whether the last piece of an utterance says so.
        late_pieces: How many pieces of an interrupted reply still go out after the interruption.
    """

    def __init__(self, events: Events, kind: AudioFormat, *, marks_final: bool, late_pieces: int) -> None:
        self.reply: Reply | None = None
        """The one that is being made."""
        self._events = events
        self._kind: AudioFormat = kind
        self._marks_final = marks_final
        self._late_pieces = late_pieces
        self._piece_ms = 200
        self._playback = PlaybackClock()
        self._utterances: list[Utterance] = []
        self._numbers = count(1)

    def is_playing(self, now_ms: float) -> bool:
        """Whether the client has sound to play."""
        return self._playback.is_playing(now_ms)

    def silent_from_ms(self, now_ms: float) -> float:
        """Return when what has gone out will have been played."""
        return now_ms + self._playback.remaining_ms(now_ms)

    def begin(self, *, speaks: bool) -> Reply:
        """Begin a reply."""
        self.reply = Reply(f"reply {next(self._numbers)}", speaks=speaks)
        return self.reply

    def say(self, reply: Reply, text: str, now_ms: float) -> tuple[Utterance, list[Event]]:
        """Begin an utterance of a reply; where there is sound, it follows."""
        utterance = reply.utterance = Utterance(f"utterance {next(self._numbers)}", text, self._kind)
        told = [self._events.agent_response(text)]
        if not reply.speaks:
            utterance.end()
            return utterance, [*told, self._events.complete()]
        self._forget_played(now_ms)
        self._utterances.append(utterance)
        return utterance, told

    def advance(self, reply: Reply, piece_ms: int, now_ms: float) -> list[Event]:
        """Return the next piece of a reply's sound, and that it is complete, if it is."""
        utterance = reply.utterance
        if utterance is None:
            return []
        self._piece_ms = piece_ms
        piece = utterance.next(piece_ms)
        told: list[Event] = []
        if piece.sound:
            self._playback.sent(utterance.id, utterance.id, piece.lasts_ms, now_ms)
            is_final = piece.is_final if self._marks_final else None
            told.append(self._events.audio(piece.sound, piece.alignment, is_final=is_final))
        return [*told, self._events.complete()] if utterance.is_out else told

    def finish(self, reply: Reply) -> None:
        """End a reply that has been made."""
        reply.is_over = True
        if self.reply is reply:
            self.reply = None

    def cut(self, now_ms: float) -> Cut:
        """Stop the reply that is being made, and what the client still plays.

        Nothing is told of a reply of which nothing had been told before.
        """
        reply = self.reply
        self._forget_played(now_ms)
        cut, self._utterances = self._utterances, []
        late = self._late(reply, now_ms) if cut else []
        if reply is not None:
            self.finish(reply)
            if reply.utterance is not None:
                reply.utterance.end()
        played = {part.item_id: part.played_ms for part in self._playback.cut(now_ms)}
        if not cut:
            return Cut(reply, [], {})
        heard = {one.id: one.heard_by(played.get(one.id, 0.0)) for one in cut}
        # The late pieces were numbered first: it is by their ids that a client knows them.
        told = [self._events.interruption(), *late]
        told += [self._events.correction(one.text, heard[one.id]) for one in cut]
        return Cut(reply, told, heard)

    def _late(self, reply: Reply | None, now_ms: float) -> list[Event]:
        late: list[Event] = []
        for _ in range(self._late_pieces):
            if reply is not None and reply.has_more:
                late += self.advance(reply, self._piece_ms, now_ms)
        return late

    def _forget_played(self, now_ms: float) -> None:
        left = {part.item_id for part in self._playback.heard(now_ms) if not part.is_complete}
        self._utterances = [one for one in self._utterances if one.id in left or not one.is_out]
