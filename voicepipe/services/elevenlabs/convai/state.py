"""What both directions of the ElevenLabs wire share: the parts of one conversation, and what concerns several of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import voicepipe
from voicepipe.realtime.events import Failure, Output, Send, SessionReady, SettingsApplied
from voicepipe.realtime.history import History
from voicepipe.services.elevenlabs.convai import wire
from voicepipe.services.elevenlabs.convai.events import ConversationSettings
from voicepipe.services.elevenlabs.convai.formats import DEFAULT_FORMAT, WireFormat, wire_format
from voicepipe.services.elevenlabs.convai.replies import Replies
from voicepipe.services.elevenlabs.convai.retelling import GO_ON, retold
from voicepipe.services.elevenlabs.convai.sound import HOLD_MS, KeptSound
from voicepipe.services.elevenlabs.convai.tuning import Tuning
from voicepipe.services.elevenlabs.convai.turn import UserTurns

_ONSET_MS: Final = 1_000
"""How much sound may belong to a turn of which there has been no sign."""
_SOURCE: Final = {"source": "voicepipe", "version": voicepipe.__version__}


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A function that the agent called and that has given no result.

    Parameters:
        name: The function.
        connection: The connection it was called over, by its number.
        expects_result: Whether the server takes a result.
    """

    name: str
    connection: int
    expects_result: bool


@dataclass(frozen=True, slots=True)
class Written:
    """Words of the user that were written and have not gone out."""

    item_id: str
    text: str


class State:
    """One conversation, over one connection after the other.

    Args:
        settings: Those it begins with.
        restart_on_update: Whether what cannot change in a conversation is changed by a new one.
        resumes_answers: Whether an answer that a lost connection broke off is taken up again.
        is_playing: Says whether the listener still has sound of the bot's to play.
    """

    def __init__(
        self,
        settings: ConversationSettings,
        *,
        restart_on_update: bool,
        resumes_answers: bool,
        is_playing: Callable[[], bool],
    ) -> None:
        self.tuning = Tuning(settings, restart=restart_on_update)
        self.history = History()
        self.turns = UserTurns(self.history, self.next_id)
        self.replies = Replies(self.history, self.next_id, self._reply_begins)
        self.calls: dict[str, OpenCall] = {}
        self.format_in: WireFormat = wire_format(DEFAULT_FORMAT)
        self.format_out: WireFormat = wire_format(DEFAULT_FORMAT)
        self.has_begun = False
        """Whether the server has said that the conversation has begun."""
        self.has_replied = False
        """Whether anything came of the bot yet."""
        self.connection = 0
        self.early = KeptSound()
        self.recent = KeptSound()
        self.written: list[Written] = []
        self._is_playing = is_playing
        self._resumes_answers = resumes_answers
        self._ids = 0
        self._goes_on = False
        self._is_wanted = False
        self._owed = self._owed_item = ""

    def next_id(self, kind: str) -> str:
        """Return a new id of ours."""
        self._ids += 1
        return f"vp_{kind}_{self._ids}"

    @property
    def speaks(self) -> bool:
        """Whether answers come as sound."""
        return not self.tuning.settings.text_only

    @property
    def is_heard(self) -> bool:
        """Whether the bot speaks or is still to be heard."""
        return self.replies.is_running or self._is_playing()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way."""
        turns = self.turns
        waits = turns.is_open or turns.unanswered or self.calls or self._is_wanted
        return self.has_begun and not (self.replies.current or waits)

    # The beginning of a connection.

    def open(self) -> list[Output]:
        """Return the first message of a conversation."""
        self.connection += 1
        first = self.tuning.initiation(_SOURCE, goes_on=self._has_begun_to_talk)
        self.tuning.told()
        return [first]

    def begun(self, metadata: dict[str, Any], format_in: WireFormat, format_out: WireFormat) -> list[Output]:
        """The conversation has begun: the agent is told what it has to know, and what waited goes out."""
        has_begun_to_talk = self._has_begun_to_talk
        goes_on, self._goes_on = self._goes_on, False
        self.format_in, self.format_out, self.has_begun = format_in, format_out, True
        self.tuning.taken()
        self.replies.new_connection(judges_greeting=goes_on)
        ready = SessionReady(str(metadata.get("conversation_id") or ""), is_resumed=goes_on)
        outputs: list[Output] = [ready, SettingsApplied(metadata)]
        unsaid = {one.item_id for one in self.written}
        if self._owed:
            unsaid.add(self._owed_item)
        told = retold(self.history, goes_on=has_begun_to_talk, without=unsaid)
        if told:
            outputs.append(wire.contextual_update(told))
        outputs += self.early.take(format_in) if self.speaks else []
        return [*outputs, *self.say_owed(), *self.ask()]

    @property
    def _has_begun_to_talk(self) -> bool:
        """Whether there is a conversation to go on with; one that was lost before a word of it begins anew, and greets."""
        return self._goes_on and not self.replies.expects_greeting

    def judged(self, refusal: Failure) -> Failure:
        """Return a refusal as it counts: where an earlier conversation had other settings, it goes on with those (P-14)."""
        if self.has_begun or refusal.kind not in ("settings", "request"):
            return refusal
        if not (self.tuning.were_taken_back or self.tuning.take_back()):
            return refusal
        why = f"{refusal.message}; the conversation goes on with the settings it had"
        return replace(refusal, message=why, fatal=False)

    # What waits.

    def ask(self) -> list[Output]:
        """Send what the user wrote, if an answer to it is wanted."""
        if not (self._is_wanted and self.has_begun and self.written):
            return []
        self._is_wanted = False
        text, item_id = "\n".join(one.text for one in self.written), self.written[-1].item_id
        self.written.clear()
        self.user_said(text, item_id)
        return [wire.user_message(text)]

    def want(self) -> list[Output]:
        """Want an answer to what the user wrote."""
        self._is_wanted = True
        return self.ask()

    def tell_written(self) -> list[Output]:
        """Tell the agent of what the user wrote and nobody wanted an answer to."""
        if self._is_wanted or not (self.written and self.has_begun):
            return []
        written, self.written = self.written, []
        return [wire.contextual_update(f"The user wrote: {one.text}") for one in written]

    def say_owed(self) -> list[Output]:
        """Say again what the user said and a lost connection took the answer to, once all functions have given results."""
        if not (self._owed and self.has_begun) or self.calls:
            return []
        owed, self._owed = self._owed, ""
        if owed != GO_ON:
            self.user_said(owed, self._owed_item)
        return [wire.user_message(owed)]

    def user_said(self, text: str, item_id: str) -> None:
        """Take words of the user's that want an answer."""
        self.replies.expects_greeting = False
        self.turns.said(text, item_id)

    def tell(self, text: str, context_id: str | None = None) -> list[Output]:
        """Tell the agent something that it is not to answer; before a conversation has begun, its history will."""
        item_id = f"vp_context_{context_id}" if context_id else self.next_id("note")
        self.history.said(item_id, "system", text)
        return [wire.contextual_update(text, context_id)] if self.has_begun else []

    def _reply_begins(self) -> list[Output]:
        self.has_replied = True
        self.recent.clear()
        return self.turns.end()

    # From one connection to the next.

    def lost(self) -> list[Output]:
        """Take note that the connection is gone, and see to it that what was under way goes on over the next one."""
        self.tuning.lost()
        if not self.has_begun:
            return []
        self.has_begun = False
        self._goes_on = True
        reply = self.replies.current
        gave = reply is not None and self.replies.is_running and (reply.has_sound or bool(reply.words))
        if reply is not None and gave and reply.has_sound:
            self.history.broke_off(reply.item_id)
        ended = self.replies.finish("failed", "the connection was lost")
        if gave:
            self._owed = GO_ON if self._resumes_answers else ""
        elif self.turns.unanswered:
            self._owed, self._owed_item = self.turns.unanswered, self.turns.unanswered_item
        self.turns.answered()
        self.recent.keep(HOLD_MS if self.turns.is_open else _ONSET_MS)
        self.early.put(self.recent)
        return ended

    def reset(self) -> None:
        """Forget the conversation, but not the settings."""
        self.history.clear()
        self.calls.clear()
        self.written.clear()
        self.early.clear()
        self.recent.clear()
        self.turns.answered()
        self.replies.greeting, self.replies.expects_greeting = "", True
        self._goes_on = self._is_wanted = self.has_replied = False
        self._owed = ""

    def hear(self, pcm: bytes) -> list[Output]:
        """Take sound of the user's, s16le mono in the rate of `format_in`."""
        if not self.speaks:
            return []
        rate = self.format_in.sample_rate
        if not self.has_begun:
            self.early.add(pcm, rate)
            return []
        self.recent.add(pcm, rate)
        sent: Send = wire.audio(self.format_in.encode(pcm))
        return [sent]
