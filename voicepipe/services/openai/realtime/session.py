"""The OpenAI Realtime GA wire as a state machine: server events in, happenings out; wishes in, client events out.

No socket, no clock, no await (`voicepipe.realtime.session`). Here is what can be asked of a session; what the server says
is in `incoming`, what both know in `state`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import Output
from voicepipe.realtime.session import Detail, Role
from voicepipe.realtime.stateful import StatefulSession
from voicepipe.services.openai.realtime import wire
from voicepipe.services.openai.realtime.dialect import GA, Dialect
from voicepipe.services.openai.realtime.events import SessionProperties
from voicepipe.services.openai.realtime.incoming import Incoming
from voicepipe.services.openai.realtime.state import State

_SHORTEST_TURN_MS: Final = 100
"""The server refuses to commit less (protocol page, section 12)."""


class OpenAIRealtimeSession(StatefulSession[State, Incoming]):
    """One conversation over the GA wire, over one connection after the other.

    Args:
        properties: The settings the session begins with.
        client_interrupts: Whether answers and interruptions are left to the client, whatever the settings say.
        resumes_answers: Whether an answer that a lost connection broke off is taken up again.
        dialect: How the wire is spelled.
    """

    def __init__(
        self,
        properties: SessionProperties | None = None,
        *,
        client_interrupts: bool = False,
        resumes_answers: bool = True,
        dialect: Dialect = GA,
    ) -> None:
        state = State(
            properties or SessionProperties(),
            client_interrupts=client_interrupts,
            resumes_answers=resumes_answers,
            dialect=dialect,
        )
        super().__init__(state, Incoming(state))
        self._uncommitted_bytes = 0

    # What there is to know.

    @property
    def properties(self) -> SessionProperties:
        """The settings in force, those on their way to the server included."""
        return self._state.tuning.properties

    @property
    def server_decides_turns(self) -> bool:
        """Whether the server finds the user's turns; `turn_detection=False` leaves them to the client."""
        return self._state.tuning.server_decides_turns

    @property
    def wants_answers(self) -> bool:
        """Whether a turn of the user's is to be answered without anybody asking for it."""
        return self._state.tuning.wants_answers

    @property
    def transcribes(self) -> bool:
        """Whether the user's words will be told."""
        return self._state.tuning.transcribes

    @property
    def speaks(self) -> bool:
        """Whether answers come as sound; `output_modalities=["text"]` makes them text."""
        return self.properties.output_modalities != ["text"]

    @property
    def is_responding(self) -> bool:
        """Whether a response runs or was asked for."""
        return self._state.responses.is_busy

    @property
    def is_ready(self) -> bool:
        """Whether this connection's settings are confirmed."""
        return self._state.outbox.is_open

    @property
    def dialect(self) -> Dialect:
        """How the wire is spelled; another one is for the next connection."""
        return self._state.dialect

    @dialect.setter
    def dialect(self, dialect: Dialect) -> None:
        self._state.tuning.dialect = dialect

    # The connection.

    def open(self) -> list[Output]:
        """Nothing goes out before the server says `session.created` (protocol page, 11.1)."""
        return []

    def closed(self) -> list[Output]:
        """Take note that the connection is gone: a response that ran has failed, and all else waits for the next one."""
        self._incoming.lost()
        return self._state.lost()

    def reset(self) -> list[Output]:
        """Forget the conversation, but not the settings."""
        self._uncommitted_bytes = 0
        return super().reset()

    # The user's sound.

    def append_audio(self, pcm: bytes) -> list[Output]:
        """Take sound of the user: s16le mono at `input_sample_rate`; an odd byte waits for its other half."""
        pcm = self._whole_samples(pcm)
        if not pcm:
            return []
        return self._append(self._state.format_in.encode(pcm), len(pcm))

    def append_coded(self, coding: str, sound: bytes) -> list[Output] | None:
        """Take sound of the user that is coded already; None if the wire has another coding, or half a sample waits.

        Args:
            coding: `PCMU` or `PCMA`, at 8,000 Hz.
            sound: One byte a sample.
        """
        if coding != self._state.format_in.name or self._carry:
            return None
        return self._append(sound, 2 * len(sound))

    def _append(self, sound: bytes, pcm_bytes: int) -> list[Output]:
        self._uncommitted_bytes += pcm_bytes
        message = wire.append_audio(sound)
        self._state.turn.heard(message)
        return cast("list[Output]", self._state.outbox.put(message))

    def commit(self) -> list[Output]:
        """End the user's turn, where the client decides turns; nothing if there is too little sound to be a turn."""
        shortest = _SHORTEST_TURN_MS * self.input_sample_rate * 2 // 1000
        if self._uncommitted_bytes < shortest:
            return []
        self._uncommitted_bytes = 0
        self._state.turn.ended("")
        return [*self._state.outbox.put(wire.event("input_audio_buffer.commit"))]

    def clear_audio(self) -> list[Output]:
        """Throw away sound of the user that is not committed yet."""
        self._uncommitted_bytes = 0
        self._state.turn.forget_recent()
        return [*self._state.outbox.put(wire.event("input_audio_buffer.clear"))]

    def restart_turn(self, onset_ms: int) -> list[Output]:
        """Begin the user's turn, where the client decides turns: forget the sound before it (protocol page, 11.7)."""
        turn = self._state.turn
        if turn.speaks:
            return []
        onset = turn.onset(onset_ms)
        outputs = self.clear_audio()
        turn.began("", float("inf"))
        for message in onset:
            turn.heard(message)
        self._uncommitted_bytes = round(turn.duration_ms(onset)) * self.input_sample_rate * 2 // 1000
        return [*outputs, *self._state.outbox.put(*onset)]

    def interrupt(self, heard: Sequence[Heard]) -> list[Output]:
        """Stop the response that runs and leave in history what was heard of it (promises P-1, P-2, P-18)."""
        state = self._state
        response_id = state.responses.cut_active()
        server_cancels = state.turn.speaks and state.tuning.server_decides_turns
        server_cancels = server_cancels and state.tuning.server_does("interrupt_response")
        outputs: list[Output] = []
        if response_id and not server_cancels:
            outputs += state.outbox.put(wire.event("response.cancel", response_id=response_id))
        return [*outputs, *state.cut(heard)]

    # Settings.

    def update(self, changes: Mapping[str, Any]) -> list[Output]:
        """Change settings: only what `changes` names, at any depth; only what is different goes out."""
        return self._state.update(changes)

    # The conversation.

    def add_message(self, role: Role, text: str) -> list[Output]:
        """Put a message into the conversation, without asking for an answer."""
        item_id = self._state.next_id("item")
        self._state.history.said(item_id, role, text)
        return self._state.add_item(item_id, self._state.dialect.message_item(role, text))

    def add_image(self, data_uri: str, *, detail: Detail = "auto", text: str = "") -> list[Output]:
        """Put an image into the conversation. A connection that comes after this one does not know it."""
        item = wire.image_item(data_uri, detail, text)
        return [*self._state.outbox.put(wire.create_item(self._state.next_id("item"), item))]

    def send_tool_result(self, call_id: str, output: str, *, respond: bool = True) -> list[Output]:
        """Answer a function call; once all calls of its response are answered, one response follows (P-7)."""
        state = self._state
        if not state.calls.is_open(call_id):
            return []
        state.history.answered(call_id, output)
        outputs = state.add_item(state.next_id("item"), wire.tool_result_item(call_id, output))
        return [*outputs, *state.want()] if state.calls.answered(call_id, respond=respond) else outputs

    def create_response(
        self, *, instructions: str | None = None, tool_choice: str | None = None
    ) -> list[Output]:
        """Ask for a response; while another one runs, this one waits for its end (P-5).

        Raises:
            SettingsError: `instructions` or `tool_choice` cannot be told.
        """
        fields = {"instructions": instructions, "tool_choice": tool_choice}
        return self._state.want({name: value for name, value in fields.items() if value is not None})

    def retrieve(self, item_id: str) -> list[Output]:
        """Ask for an item as the server has it."""
        message = wire.event("conversation.item.retrieve", event_id=f"evt_get_{item_id}", item_id=item_id)
        return [*self._state.outbox.put(message)]

    # What this API has besides.

    def want_response(self, fields: Mapping[str, Any]) -> list[Output]:
        """Ask for a response of the conversation with fields of its own, as the wire names them.

        Raises:
            SettingsError: One of them cannot be told.
        """
        return self._state.want(fields)

    def side_response(self, token: str, fields: Mapping[str, Any]) -> list[Output]:
        """Ask for a response outside of the conversation; a `SideResponse` with this token follows.

        Raises:
            SettingsError: A field of it cannot be told.
        """
        return [*self._state.outbox.put(self._state.sides.ask(token, self._state.dialect.response(fields)))]

    def delete(self, item_id: str) -> list[Output]:
        """Delete an item."""
        self._state.history.delete(item_id)
        return [*self._state.outbox.put(wire.delete_item(item_id))]

    def truncate(self, item_id: str, audio_end_ms: int, content_index: int = 0) -> list[Output]:
        """Cut an item of the model's, in milliseconds of its sound."""
        self._state.history.heard(item_id, audio_end_ms)
        return [*self._state.outbox.put(wire.truncate_item(item_id, content_index, audio_end_ms))]

    def approve(self, request_id: str, *, approve: bool, reason: str = "") -> list[Output]:
        """Allow or forbid the server a call that it wants to make itself (protocol page, 11.12)."""
        item = {"type": "mcp_approval_response", "approval_request_id": request_id, "approve": approve}
        if reason:
            item["reason"] = reason
        return [*self._state.outbox.put(wire.create_item(self._state.next_id("item"), item))]
