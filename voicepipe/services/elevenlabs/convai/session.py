"""The ElevenLabs wire as a state machine: server events in, happenings out; wishes in, client messages out.

No socket, no clock, no await (`voicepipe.realtime.session`). Here is what can be asked of a session; what the server says
is in `incoming`, what both know in `state`. What this API cannot do gives, the first time, a `Failure` that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, cast

import orjson

from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import Failure, ItemRetrieved, Oddity, Output
from voicepipe.realtime.session import Detail, Role
from voicepipe.realtime.stateful import StatefulSession
from voicepipe.services.elevenlabs.convai import wire
from voicepipe.services.elevenlabs.convai.events import ConversationSettings
from voicepipe.services.elevenlabs.convai.incoming import CANCELLED, Incoming
from voicepipe.services.elevenlabs.convai.retelling import result_later
from voicepipe.services.elevenlabs.convai.state import State, Written

_NO_SOUND_MS: Final = 500.0
"""Without further sound for so long, a reply whose end nobody marks has ended (protocol page, section 5)."""
_NO_SOUND_YET_MS: Final = 5_000.0
"""How long words may be ahead of their sound."""
_ONLY_TURNS: Final = (
    "is not possible: the agent answers when the user has spoken or written, and says what it finds fit"
)


class ElevenLabsConvAISession(StatefulSession[State, Incoming]):
    """One conversation over the ElevenLabs wire, over one connection after the other.

    Args:
        settings: Those the conversation begins with.
        restart_on_update: Whether what cannot change in a conversation is changed by a new one.
        resumes_answers: Whether an answer that a lost connection broke off is taken up again.
        is_playing: Says whether the listener still has sound of the bot's to play: then words of the user's that the server
            does not take for an interruption are none.
    """

    def __init__(
        self,
        settings: ConversationSettings | None = None,
        *,
        restart_on_update: bool = False,
        resumes_answers: bool = True,
        is_playing: Callable[[], bool] = lambda: False,
    ) -> None:
        state = State(
            settings or ConversationSettings(),
            restart_on_update=restart_on_update,
            resumes_answers=resumes_answers,
            is_playing=is_playing,
        )
        super().__init__(state, Incoming(state))
        self._failed_calls: set[str] = set()

    # What there is to know.

    @property
    def settings(self) -> ConversationSettings:
        """The settings in force, those that wait for a new conversation included."""
        return self._state.tuning.settings

    @property
    def needs_restart(self) -> bool:
        """Whether settings were changed that only a new conversation can have."""
        return self._state.tuning.needs_restart

    @property
    def server_decides_turns(self) -> bool:
        """It always does."""
        return True

    @property
    def wants_answers(self) -> bool:
        """Whether turns are answered without anybody asking: they always are."""
        return True

    @property
    def transcribes(self) -> bool:
        """Whether the user's words will be told: they are, unless the agent's `client_events` leave them out."""
        events = self.settings.overrides.conversation and self.settings.overrides.conversation.client_events
        return events is None or "user_transcript" in events

    @property
    def speaks(self) -> bool:
        """Whether answers come as sound."""
        return self._state.speaks

    @property
    def is_responding(self) -> bool:
        """Whether a response runs that somebody hears."""
        return self._state.replies.is_running

    @property
    def reply_signs(self) -> int:
        """How many messages were about replies; pings and the like come whether or not one is over."""
        return self._state.replies.signs

    @property
    def ends_after_ms(self) -> float | None:
        """After so long without a message about it (`reply_signs`) the reply that runs has ended; None if its end is told.

        Whoever has a clock calls `reply_ended` then.
        """
        reply, replies = self._state.replies.current, self._state.replies
        if reply is None or reply.only_calls:
            return None
        if replies.was_stopped(reply.item_id):
            return _NO_SOUND_MS
        if replies.marks_ends and reply.has_sound:
            return None
        return _NO_SOUND_MS if reply.has_sound or reply.is_cut else _NO_SOUND_YET_MS

    # The connection.

    def open(self) -> list[Output]:
        """Return the first message of a conversation."""
        return self._state.open()

    def reply_ended(self) -> list[Output]:
        """Take note that nothing came of the reply for as long as `ends_after_ms` says."""
        return self._state.replies.ended()

    def closed(self) -> list[Output]:
        """Take note that the connection is gone: a response that ran has failed, and all else waits for the next one."""
        return self._state.lost()

    def refused(self, refusal: Failure) -> Failure | None:
        """Take note that the server has refused a conversation by closing the connection.

        Returns:
            The refusal as it counts: it may be about changed settings alone, which are then taken back. None if that was
            told before.
        """
        was_told = self._state.tuning.were_taken_back
        judged = self._state.judged(refusal)
        return None if was_told and not judged.fatal else judged

    # The user's sound.

    def append_audio(self, pcm: bytes) -> list[Output]:
        """Take sound of the user: s16le mono at `input_sample_rate`; an odd byte waits for its other half."""
        pcm = self._whole_samples(pcm)
        return self._state.hear(pcm) if pcm else []

    def commit(self) -> list[Output]:
        """Nothing but the server ends a turn."""
        return self._cannot("commit", "is not possible: the server decides when turns end")

    def restart_turn(self, onset_ms: int) -> list[Output]:
        """Nothing but the server begins a turn; `onset_ms` means nothing here."""
        del onset_ms
        return self._cannot("restart_turn", "is not possible: the server decides when turns begin")

    def clear_audio(self) -> list[Output]:
        """Sound that was sent cannot be taken back."""
        return self._cannot("clear_audio", "is not possible: the server has heard what was sent")

    def interrupt(self, heard: Sequence[Heard]) -> list[Output]:
        """Stop what is heard of the bot. The API cannot be stopped: what still comes of the reply is dropped (P-18).

        Where the server did not interrupt the reply itself, the agent is told how much of it was heard.
        """
        state = self._state
        reply = state.replies.current
        was_running = state.replies.is_running
        state.replies.cut()
        cut: list[str] = []
        for part in heard:
            still_comes = was_running and reply is not None and reply.item_id == part.item_id
            if (part.is_complete and not still_comes) or state.replies.was_corrected(part.item_id):
                continue
            state.history.heard(part.item_id, part.played_ms)
            if not state.replies.was_stopped(part.item_id):
                cut.append(part.item_id)
        if not (cut and state.has_begun):
            return []
        return [
            wire.contextual_update(
                _CUT.format(" ".join(map(state.history.text_of, cut)).strip() or "nothing")
            )
        ]

    # Settings.

    def update(self, changes: Mapping[str, Any]) -> list[Output]:
        """Change settings: only what `changes` names. In a conversation the API can be told further instructions.

        Args:
            changes: As `ConversationSettings` has them, or by their short names (`instructions`, `voice`, `language`,
                `first_message`, `text_only`).
        """
        instructions, outputs = self._state.tuning.update(changes)
        return (
            [*outputs, *self._state.tell(_NEW_INSTRUCTIONS.format(instructions))] if instructions else outputs
        )

    # The conversation.

    def add_message(self, role: Role, text: str) -> list[Output]:
        """Put a message into the conversation, without asking for an answer.

        What the user writes waits until an answer is wanted (`create_response`): then it is a turn of the user's. If the
        user speaks first, the agent is told of it.
        """
        state = self._state
        if role == "user":
            item_id = state.next_id("user")
            state.history.said(item_id, "user", text)
            state.written.append(Written(item_id, text))
            return []
        return state.tell(text if role == "system" else f"You said before: {text}")

    def add_image(self, data_uri: str, *, detail: Detail = "auto", text: str = "") -> list[Output]:
        """The API takes files that were uploaded to it, and no images in a message."""
        del data_uri, detail, text
        return self._cannot(
            "image", "cannot be shown: the API takes the ids of files that were uploaded before"
        )

    def send_tool_result(self, call_id: str, output: str, *, respond: bool = True) -> list[Output]:
        """Answer a function call; the agent goes on by itself, whatever `respond` says (P-6, P-7)."""
        del respond
        state = self._state
        call = state.calls.pop(call_id, None)
        if call is None:
            return []
        state.history.answered(call_id, output)
        is_error = call_id in self._failed_calls or output == CANCELLED or _is_error(output)
        self._failed_calls.discard(call_id)
        outputs: list[Output] = []
        if call.connection != state.connection or not state.has_begun:
            outputs += [wire.contextual_update(result_later(call.name, output))] if state.has_begun else []
        elif call.expects_result:
            outputs.append(wire.tool_result(call_id, output, is_error=is_error))
        if not state.calls:
            outputs += [*state.replies.calls_answered(), *state.say_owed()]
        return outputs

    def call_failed(self, call_id: str) -> None:
        """Take note that what will be sent as a call's result is an error."""
        if call_id in self._state.calls:
            self._failed_calls.add(call_id)

    def create_response(
        self, *, instructions: str | None = None, tool_choice: str | None = None
    ) -> list[Output]:
        """Want an answer to what the user wrote. The API knows no other wish: the agent answers turns by itself."""
        del tool_choice
        state = self._state
        if instructions is not None:
            return self._cannot("a response with instructions", _ONLY_TURNS)
        if state.written:
            return state.want()
        if state.turns.unanswered or state.replies.is_running:
            return []
        if not state.has_replied:
            return [
                Oddity("the wish for a response before anything was said: the agent says its first message")
            ]
        return self._cannot("a response without a turn of the user's", _ONLY_TURNS)

    def retrieve(self, item_id: str) -> list[Output]:
        """The API does not give items out."""
        return [ItemRetrieved(item_id, None, "ElevenLabs' API has no message that asks for an item")]

    # What this API has besides.

    def contextual_update(self, text: str, context_id: str | None = None) -> list[Output]:
        """Tell the agent something that it is not to answer; it takes the place of what had the same `context_id`."""
        return self._state.tell(text, context_id)

    def user_activity(self) -> list[Output]:
        """Tell that the user does something, so that the agent does not take the silence for an absence."""
        return [wire.message("user_activity")] if self._state.has_begun else []

    def files(self, text: str, file_ids: Sequence[str]) -> list[Output]:
        """Send a turn of the user's with files that were uploaded before."""
        state = self._state
        if not state.has_begun:
            return [Failure("request", "files cannot be sent before the conversation has begun", "too_early")]
        item_id = state.next_id("user")
        state.history.said(item_id, "user", text)
        state.user_said(text, item_id)
        return [wire.multimodal_message(text, file_ids)]

    def feedback(self, event_id: int, score: Literal["like", "dislike"] | None) -> list[Output]:
        """Tell what the user thinks of a reply."""
        return [wire.feedback(event_id, score)] if self._state.has_begun else []

    def approve(self, call_id: str, *, approve: bool) -> list[Output]:
        """Allow or forbid the server a call of a tool that it runs itself."""
        return [wire.mcp_approval(call_id, approve=approve)] if self._state.has_begun else []

    def _cannot(self, what: str, why: str) -> list[Output]:
        return self._state.tuning.cannot(what, why)


_CUT: Final = "Your last message was stopped while you spoke. The user heard only this of it: {}"
_NEW_INSTRUCTIONS: Final = "From here on this counts, also where you were told otherwise before: {}"


def _is_error(output: str) -> bool:
    """Whether a function's result is an error object: `{"error": ...}` and nothing else."""
    if not output.startswith('{"error"'):
        return False
    try:
        result: Any = orjson.loads(output)
    except orjson.JSONDecodeError:
        return False
    return isinstance(result, dict) and set(cast("dict[str, Any]", result)) == {"error"}
