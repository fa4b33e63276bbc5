"""The bot's responses, inferred: the wire has words, sound and calls, and nothing that holds them together.

- A response begins with the first of `agent_response`, `agent_chat_response_part`, `audio` or `client_tool_call` after
  another one ended. Words that are complete, followed by other words, are two responses.
- It ends with `audio` that `is_final` or with `agent_response_complete`, whichever comes first; without sound, with its
  words; one that only called functions, when all of them are answered or the bot goes on. Where the server marks no ends,
  it ends with the user's next turn, or when no sound came for a while, which whoever has a clock tells (`ended`).
- One that was interrupted has ended; what still comes of it is recognised by its `event_id`, which is not above that of
  the interruption (protocol page, section 5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from voicepipe.realtime.events import (
    AudioChunk,
    BotTranscript,
    Output,
    ResponseFinished,
    ResponseStarted,
    ResponseStatus,
)
from voicepipe.realtime.history import History
from voicepipe.services.elevenlabs.convai.formats import WireFormat

_REMEMBERED: Final = 16
"""Responses that may still be corrected."""


@dataclass(slots=True)
class Reply:
    """One response.

    Parameters:
        response_id: Ours; the wire has none.
        item_id: Of its words and sound.
        words: Those that were passed on.
        is_whole: Whether all its words are known.
        has_sound: Whether sound of it was passed on.
        is_cut: Whether it was interrupted: what still comes of it is for nobody (P-18).
        is_greeting: Whether the bot says it by itself, before anything else was said.
        is_judged: Whether it may be the greeting again; until its words are known, it is held.
        is_muted: Whether it is.
        held: What waits until that is known.
        calls: The functions it called.
    """

    response_id: str
    item_id: str
    words: str = ""
    is_whole: bool = False
    has_sound: bool = False
    is_cut: bool = False
    is_greeting: bool = False
    is_judged: bool = False
    is_muted: bool = False
    held: list[Output] = field(default_factory=list[Output])
    calls: list[str] = field(default_factory=list[str])

    @property
    def only_calls(self) -> bool:
        """Whether it called functions and said nothing."""
        return bool(self.calls) and not (self.words or self.has_sound)


class Replies:
    """One response at a time.

    Args:
        history: Where their words go.
        next_id: Gives ids.
        on_begin: Called when one begins for the listener; what it returns comes before it.
    """

    def __init__(
        self, history: History, next_id: Callable[[str], str], on_begin: Callable[[], list[Output]]
    ) -> None:
        self.current: Reply | None = None
        """The one that has not ended."""
        self.marks_ends = False
        """Whether the server has been seen to mark the ends of responses."""
        self.signs = 0
        """How many messages were about responses: other ones say nothing of when one has ended."""
        self.greeting = ""
        """What the agent said first, by itself; it is not to be said again over another connection (P-4)."""
        self.expects_greeting = True
        """Whether what the bot says next, nobody has asked for."""
        self._history = history
        self._next_id = next_id
        self._on_begin = on_begin
        self._interrupted_at = 0
        self._is_streaming = False
        self._judges_next = False
        self._carry = b""
        self._said: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)
        self._stopped: deque[str] = deque(maxlen=_REMEMBERED)
        self._corrected: deque[str] = deque(maxlen=_REMEMBERED)

    @property
    def is_running(self) -> bool:
        """Whether a response that somebody hears has not ended; while functions run, nobody hears anything."""
        reply = self.current
        if reply is None or reply.only_calls:
            return False
        return not (reply.is_cut or reply.is_muted or reply.is_judged)

    def is_late(self, event_id: int | None) -> bool:
        """Whether an event belongs to what was interrupted."""
        return event_id is not None and event_id <= self._interrupted_at

    # What comes of a response.

    def words(self, text: str, *, speaks: bool) -> list[Output]:
        """Take all words of a response; `speaks` says whether sound goes with them."""
        self.signs += 1
        self._is_streaming = False
        outputs = self._make_room(for_words=True)
        reply, begun = self._running()
        outputs += begun
        if reply.is_greeting:
            self.greeting, reply.is_greeting = text, False
        reply.is_whole = True
        if not reply.is_cut:
            outputs += self._judge(reply, text)
        rest = text[len(reply.words) :] if text.startswith(reply.words) else ("" if reply.words else text)
        if not (reply.is_cut or reply.is_muted):
            self._history.said(reply.item_id, "assistant", text)
            self._said.append((reply.item_id, text))
            outputs += self._say(reply, rest, speaks=speaks)
        reply.words = text
        return outputs if speaks else [*outputs, *self.finish()]

    def part(self, kind: str, text: str, *, speaks: bool) -> list[Output]:
        """Take a part of the words as they are thought of: `start`, `delta` or `stop`."""
        self.signs += 1
        outputs: list[Output] = []
        if kind == "start":
            outputs = self._make_room(for_words=True)
            self._is_streaming = True
        if not self._is_streaming or not text:
            self._is_streaming = self._is_streaming and kind != "stop"
            return outputs
        reply, begun = self._running()
        outputs += begun
        if not (reply.is_cut or reply.is_muted):
            self._history.says(reply.item_id, text)
            outputs += self._say(reply, text, speaks=speaks)
            reply.words += text
        self._is_streaming = kind != "stop"
        return outputs

    def sound(self, sound: bytes, kind: WireFormat, *, is_final: bool | None) -> list[Output]:
        """Take sound in a format of the wire; `is_final` None is that of a server that does not mark ends.

        Only an end that was marked shows that ends are marked: the field is there in some captures and never true.
        """
        self.signs += 1
        self.marks_ends = self.marks_ends or is_final is True
        outputs = self._make_room(for_words=False)
        reply, begun = self._running()
        outputs += begun
        pcm = self._decoded(sound, kind)
        if pcm and not (reply.is_cut or reply.is_muted):
            reply.has_sound = True
            self._history.sounds(reply.item_id, len(pcm) * 500 / kind.sample_rate)
            outputs += self._out(reply, AudioChunk(reply.response_id, reply.item_id, pcm))
        return [*outputs, *self.finish()] if is_final else outputs

    def called(self, call_id: str) -> tuple[str, list[Output]]:
        """Take note of a function call; returns the response that makes it, and what happened before it."""
        self.signs += 1
        reply = self.current
        # A call is for somebody, also behind words that are for nobody.
        outputs = self.finish() if reply is not None and (reply.is_cut or reply.is_muted) else []
        reply, begun = self._running()
        outputs += [*begun, *self._judge(reply, "")]
        reply.calls.append(call_id)
        return reply.response_id, outputs

    def calls_answered(self) -> list[Output]:
        """All functions have given their results: a response that did nothing else has ended."""
        return self.finish() if self.current is not None and self.current.only_calls else []

    # How it ends.

    def completed(self) -> list[Output]:
        """The server says that the response is complete."""
        self.marks_ends = True
        return self.finish()

    def ended(self) -> list[Output]:
        """Nothing more of the response came for a while."""
        return self.finish()

    def user_spoke(self) -> list[Output]:
        """The user's words came: a response that was cut, or whose end nobody marks, has ended."""
        reply = self.current
        ends = reply is not None and (reply.is_cut or not (self.marks_ends or reply.only_calls))
        return self.finish() if ends else []

    def interrupted(self, event_id: int | None) -> None:
        """The server stopped; nothing up to this event is to be heard."""
        self.signs += 1
        if event_id is not None:
            self._interrupted_at = max(self._interrupted_at, event_id)
        self._stopped.extend(item_id for item_id, _ in self._said if item_id not in self._stopped)
        if self.current is not None:
            self._stopped.append(self.current.item_id)
        self.cut()

    def was_stopped(self, item_id: str) -> bool:
        """Whether the server stopped this item itself, and so knows that not all of it was heard."""
        return item_id in self._stopped

    def was_corrected(self, item_id: str) -> bool:
        """Whether the server has told what was heard of this item."""
        return item_id in self._corrected

    def cut(self) -> bool:
        """Cut the response that runs, if one does."""
        self._is_streaming = False
        reply = self.current
        if reply is None or reply.is_cut:
            return False
        reply.is_cut = True
        return not reply.is_muted

    def finish(self, status: ResponseStatus | None = None, reason: str = "") -> list[Output]:
        """End the response that runs; by default as completed, or as cancelled if it was cut."""
        reply, self.current = self.current, None
        self._carry = b""
        if reply is None or reply.is_muted:
            return []
        if reply.is_judged and (reply.is_cut or status is not None):
            # Nobody was told that it began, and what was held of it is for nobody now.
            self._history.delete(reply.item_id)
            return []
        self._history.done(reply.item_id)
        outputs = self._judge(reply, "")
        if status is None:
            status, reason = ("cancelled", "interrupted") if reply.is_cut else ("completed", "")
        return [*outputs, ResponseFinished(reply.response_id, status, reason, calls=tuple(reply.calls))]

    def corrected(self, original: str, text: str) -> str | None:
        """Take what was heard of a response in place of its words; returns its item, or None if there is none."""
        found = self.item_of(original)
        if found is None:
            return None
        self._corrected.append(found)
        if text.strip():
            self._history.said(found, "assistant", text)
            # What the server says was heard counts, and not our own estimate.
            self._history.heard(found, float("inf"))
        else:
            self._history.delete(found)
        return found

    def item_of(self, text: str) -> str | None:
        """Return the newest item with these words."""
        return next((item_id for item_id, said in reversed(self._said) if said == text), None)

    def new_connection(self, *, judges_greeting: bool) -> None:
        """Begin anew with another connection, whose events are counted from the start.

        Args:
            judges_greeting: Whether the first response may be the greeting again, which nobody is to hear.
        """
        self._interrupted_at = 0
        self._is_streaming = False
        # What another connection said, this one's server can neither stop nor correct.
        self._said.clear()
        self._judges_next = judges_greeting and bool(self.greeting)

    # Within.

    def _running(self) -> tuple[Reply, list[Output]]:
        if self.current is not None:
            return self.current, []
        reply = self.current = Reply(self._next_id("reply"), self._next_id("bot"))
        reply.is_judged, self._judges_next = self._judges_next, False
        reply.is_greeting, self.expects_greeting = self.expects_greeting, False
        self._carry = b""
        return reply, [] if reply.is_judged else self._begin(reply)

    def _begin(self, reply: Reply) -> list[Output]:
        outputs = self._on_begin()
        self._history.place(reply.item_id, "assistant")
        return [*outputs, ResponseStarted(reply.response_id)]

    def _make_room(self, *, for_words: bool) -> list[Output]:
        """End a response that something new cannot belong to."""
        reply = self.current
        if reply is None or self.was_stopped(reply.item_id):
            return self._end_stopped()
        return self.finish() if reply.only_calls or (for_words and reply.is_whole) else []

    def _end_stopped(self) -> list[Output]:
        """End a response that the server stopped: what comes now and is not late belongs to another one."""
        reply = self.current
        return self.finish() if reply is not None and self.was_stopped(reply.item_id) else []

    def _say(self, reply: Reply, text: str, *, speaks: bool) -> list[Output]:
        if not text:
            return []
        return self._out(reply, BotTranscript(reply.response_id, reply.item_id, text, spoken=speaks))

    def _out(self, reply: Reply, output: Output) -> list[Output]:
        if reply.is_judged:
            reply.held.append(output)
            return []
        return [output]

    def _judge(self, reply: Reply, text: str) -> list[Output]:
        """Let a response that may have been the greeting out, or mute it, now that its words are known."""
        if not reply.is_judged:
            return []
        reply.is_judged = False
        held, reply.held = reply.held, []
        if text.strip() == self.greeting.strip():
            reply.is_muted = True
            self._history.delete(reply.item_id)
            return []
        return [*self._begin(reply), *held]

    def _decoded(self, sound: bytes, kind: WireFormat) -> bytes:
        sound = self._carry + sound
        whole = len(sound) - len(sound) % kind.sample_bytes
        self._carry = sound[whole:]
        return kind.decode(sound[:whole])
