"""What both directions of the GA wire share: the parts of one conversation, and what concerns several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from loguru import logger

from voicepipe.audio.playback import Heard
from voicepipe.realtime.calls import Calls
from voicepipe.realtime.events import Output, ResponseFinished, Send
from voicepipe.realtime.history import Answered, Called, Entry, History
from voicepipe.realtime.outbox import Outbox
from voicepipe.realtime.responses import Responses, Wish
from voicepipe.services.openai.realtime import wire
from voicepipe.services.openai.realtime.dialect import GA, Dialect
from voicepipe.services.openai.realtime.events import SessionProperties
from voicepipe.services.openai.realtime.formats import FORMATS, WireFormat
from voicepipe.services.openai.realtime.recoding import recoded
from voicepipe.services.openai.realtime.sides import Sides
from voicepipe.services.openai.realtime.spoken import SpokenItems
from voicepipe.services.openai.realtime.tuning import Tuning
from voicepipe.services.openai.realtime.turn import HOLD_MS, UserTurn

_RESTORED: Final = 200
"""Entries of a history that a new connection is told at most: an hour's call has about as many turns."""
_LONGEST_ID: Final = 32
"""Of an item, in letters (protocol page, section 2)."""

_GOES_ON: Final = (
    "The connection was interrupted for a moment. This is the same conversation, and it goes on from here: do not greet "
    "again, do not mention the interruption, and keep to the language that was spoken."
)
_BROKE_OFF: Final = " Your last message broke off: go on from exactly where it stops, without repeating it."


class State:
    """One conversation, over one connection after the other.

    Args:
        properties: The settings it begins with.
        client_interrupts: Whether answers and interruptions are left to the client, whatever the settings say.
        resumes_answers: Whether an answer that a lost connection broke off is taken up again.
        dialect: How the wire is spelled.
    """

    def __init__(
        self,
        properties: SessionProperties,
        *,
        client_interrupts: bool,
        resumes_answers: bool,
        dialect: Dialect = GA,
    ) -> None:
        self.tuning = Tuning(properties, client_interrupts=client_interrupts, dialect=dialect)
        self.responses = Responses()
        self.calls = Calls()
        self.sides = Sides()
        self.history = History()
        self.session_id = ""
        self.expires_at: float | None = None
        self.has_spoken = False
        """Whether sound of the model came over this connection, after which its voice cannot change."""
        self.has_given = False
        """Whether anything of the response that runs was passed on to the listener."""
        self.spoken_items: set[str] = set()
        """Items of the response that runs whose words come with sound."""
        self.unseen: set[str] = set()
        """Items we created and the server has not told us of: a response that begins now may not know them."""
        self._resumes_answers = resumes_answers
        self.goes_on = False
        """Whether the next connection goes on with what another one began."""
        self._broke_off = False
        self._restored: set[str] = set()
        self._ids = 0
        self.format_in = self.tuning.format_in
        self.format_out = self.tuning.format_out
        self.outbox = self._new_outbox()
        self.turn = UserTurn(_in_base64(self.format_in), by_client=not self.tuning.server_decides_turns)
        self.spoken = SpokenItems(self.format_out.bytes_per_ms)

    @property
    def dialect(self) -> Dialect:
        """How the wire is spelled."""
        return self.tuning.dialect

    def take_formats(self, session: Mapping[str, Any]) -> None:
        """Take the formats that a server says it uses: some models do not take the one that was asked for."""
        asked = (self.tuning.format_in, self.tuning.format_out)
        told = (self.dialect.audio_format(session, "input"), self.dialect.audio_format(session, "output"))
        used_in, used_out = (FORMATS.get(type_, ours) for type_, ours in zip(told, asked, strict=True))
        if (used_in, used_out) != asked:
            logger.warning(f"the server uses other formats of sound than it was asked for: {told}")
        self._use_formats(used_in, used_out)

    def _use_formats(self, used_in: WireFormat, used_out: WireFormat) -> None:
        """Use formats from here on; while no connection uses others."""
        if used_in != self.format_in:
            self._recode(self.format_in, used_in)
        if used_out != self.format_out:
            self.format_out = used_out
            self.spoken = SpokenItems(used_out.bytes_per_ms)

    def _recode(self, old: WireFormat, new: WireFormat) -> None:
        self.format_in = new
        held = recoded(self.outbox.open(), old, new)
        self.outbox = self._new_outbox()
        self.outbox.put(*held)
        self.turn.recode(_in_base64(new), lambda sound: recoded(sound, old, new))

    def _new_outbox(self) -> Outbox:
        return Outbox(HOLD_MS * _in_base64(self.format_in))

    def next_id(self, kind: str) -> str:
        """Return a new id of ours."""
        self._ids += 1
        return f"vp_{kind}_{self._ids}"

    # What is done with several parts.

    def update(self, changes: Mapping[str, Any]) -> list[Output]:
        """Change settings, and take over what they mean for the sound."""
        outputs = self.tuning.update(changes, has_spoken=self.has_spoken)
        if not self.tuning.is_told:
            self._use_formats(self.tuning.format_in, self.tuning.format_out)
        self.turn.set_by_client(not self.tuning.server_decides_turns)
        if self.tuning.server_decides_turns and self.tuning.server_does("create_response"):
            return outputs
        # No answer of the server's comes any more to a turn that has begun: nothing needs to wait for it.
        self.responses.server_turn(False)
        return [*outputs, *self.ask()]

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way."""
        responses, turn = self.responses, self.turn
        waits = turn.awaits_answer and self.tuning.server_does("create_response")
        busy = responses.is_busy or responses.is_wanted or self.calls.any_open
        return self.outbox.is_open and not (turn.speaks or waits or busy)

    def reset(self) -> None:
        """Forget the conversation, but not the settings."""
        self.history.clear()
        self.responses.forget()
        self.calls = Calls()
        self.outbox = self._new_outbox()
        self.turn.lost()
        self.turn.forget_recent()
        self.goes_on = False

    def add_item(self, item_id: str, item: Mapping[str, Any]) -> list[Output]:
        """Create an item that the history knows; before there is a connection, the history will tell it."""
        if not self.outbox.is_open:
            return []
        self.unseen.add(item_id)
        return [wire.create_item(item_id, item)]

    def want(self, fields: Mapping[str, Any] | None = None) -> list[Output]:
        """Want a response; it is asked for when its time has come.

        Raises:
            SettingsError: A field of it cannot be told.
        """
        wire.refuse_what_is_no_json(fields or {})
        self.responses.want(Wish(self.next_id("ask"), fields or {}))
        return self.ask()

    def ask(self) -> list[Output]:
        """Ask for the next response that is wanted, if nothing stands in its way."""
        wish = self.responses.next() if self.outbox.is_open else None
        if wish is None:
            return []
        fields = {"response": self.dialect.response(wish.fields)} if wish.fields else {}
        return [wire.event("response.create", event_id=wish.event_id, **fields)]

    def cut(self, heard: Sequence[Heard]) -> list[Output]:
        """Leave of what was said just what was heard, here and on the server."""
        messages: list[Output] = []
        for part in heard:
            if part.is_complete and not self.spoken.knows(part.item_id):
                continue
            self.history.heard(part.item_id, part.played_ms)
            if part.item_id in self._restored and not self.spoken.knows(part.item_id):
                messages += self._replaced(part.item_id)
        return [*messages, *self.outbox.put(*self.spoken.cut(heard, self.responses.active))]

    def _replaced(self, item_id: str) -> list[Output]:
        """Tell again an item that an earlier connection spoke and this one knows as text, now that it was cut."""
        self._restored.discard(item_id)
        text, new_id = self.history.text_of(item_id), self.next_id("item")
        if not text:
            return [*self.outbox.put(wire.delete_item(item_id))]
        item = wire.create_item(new_id, self.dialect.message_item("assistant", text), after=item_id)
        return [*self.outbox.put(item, wire.delete_item(item_id))]

    # From one connection to the next.

    def lost(self) -> list[Output]:
        """Take note that the connection is gone, and see to it that what was under way goes on over the next one."""
        self.session_id = ""
        self.tuning.lost()
        if not self.outbox.is_open:
            return []
        running, was_cut = self.responses.running, self.responses.running in self.responses.cut
        granted = self.responses.granted
        self.goes_on = True
        self.responses.lost()
        self.unseen.clear()
        self.outbox.close()
        outputs: list[Output] = []
        if running is not None:
            outputs.append(ResponseFinished(running, "failed", "the connection was lost"))
        outputs += self.sides.lost()
        self._owe(None if was_cut else running, granted)
        for item_id in self.spoken_items:
            self.history.broke_off(item_id)
        self.spoken_items.clear()
        self.spoken = SpokenItems(self.format_out.bytes_per_ms)
        self.has_spoken = self.has_given = False
        return outputs

    def _owe(self, running: str | None, granted: Wish | None) -> None:
        unanswered = self.turn.is_unanswered
        again = self.turn.lost()
        has_called = running is not None and bool(self.calls.made_by(running))
        if has_called or (running is not None and self.has_given):
            self.turn.answered()
            if self.turn.speaks:
                self.outbox.put(*again)
            self._broke_off = not has_called and self._resumes_answers
            if self._broke_off or (has_called and self.calls.response_finished(running or "")):
                self.want()
        elif unanswered:
            self._say_again(again)
        else:
            self.outbox.put(*again)
            if running is not None:
                self.want(granted.fields if granted else None)
            elif self.turn.awaits_answer and self.tuning.server_does("create_response"):
                self.want()

    def _say_again(self, sound: list[Send]) -> None:
        self.outbox.put(*sound)
        if self.turn.speaks:
            return
        if self.tuning.server_decides_turns:
            self.responses.server_turn(self.tuning.server_does("create_response"))
        else:
            self.outbox.put(wire.event("input_audio_buffer.commit"))
            self.want()

    def restored(self) -> list[Output]:
        """Return what a connection is told before it can go on: the history, what waited, and what is wanted."""
        outputs: list[Output] = []
        for entry in self.history.entries(_RESTORED):
            item_id, item = self._as_item(entry)
            outputs.append(wire.create_item(item_id, item))
        if self.goes_on:
            note = self.dialect.message_item("system", _GOES_ON + (_BROKE_OFF if self._broke_off else ""))
            outputs.append(wire.create_item(self.next_id("item"), note))
        self.goes_on = self._broke_off = False
        return [*outputs, *self.outbox.open(), *self.ask()]

    def _as_item(self, entry: Entry) -> tuple[str, Mapping[str, Any]]:
        if isinstance(entry, Called):
            return self.next_id("item"), wire.tool_call_item(entry.call_id, entry.name, entry.arguments)
        if isinstance(entry, Answered):
            return self.next_id("item"), wire.tool_result_item(entry.call_id, entry.output)
        item_id = entry.item_id if len(entry.item_id) <= _LONGEST_ID else self.next_id("item")
        self._restored.add(item_id)
        return item_id, self.dialect.message_item(entry.role, entry.text)


def _in_base64(format_in: WireFormat) -> int:
    """Return how many bytes a millisecond of sound has on the wire."""
    return format_in.bytes_per_ms * 4 // 3
