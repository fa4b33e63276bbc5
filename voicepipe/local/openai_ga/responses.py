"""The responses of a session: one at a time in the conversation, any number beside it (protocol page, 10.3, 11.6, 11.11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from voicepipe.local.brain import Call, Conversation
from voicepipe.local.openai_ga.conversation import Item, Items, turns_of
from voicepipe.local.openai_ga.created import created_item
from voicepipe.local.openai_ga.events import Events, Ids, Refusal
from voicepipe.local.openai_ga.response import Response, Status
from voicepipe.local.openai_ga.settings import SessionSettings, voice_refusal
from voicepipe.local.openai_ga.shapes import ResponseWish
from voicepipe.local.openai_ga.usage import rate_limits
from voicepipe.local.openai_ga.wishes import Answer, Out, StopAnswer

_DELTA_MS: Final = 200


@dataclass(slots=True, eq=False)
class _Running:
    """A response with what it is made from: the conversation, or items that the client named."""

    response: Response
    named: Sequence[Item] | None
    waits: bool = True
    delta_ms: int = _DELTA_MS


class Responses:
    """Begins, drives and ends responses.

    Args:
        ids: Of the session.
        events: Of the session.
        settings: Of the session.
        items: The conversation.
        late_deltas: How many deltas of a cancelled response still go out before its end is told.
    """

    def __init__(
        self, ids: Ids, events: Events, settings: SessionSettings, items: Items, late_deltas: int = 0
    ) -> None:
        self.has_spoken = False
        """Whether sound of any response went out."""
        self._ids = ids
        self._events = events
        self._settings = settings
        self._items = items
        self._late_deltas = late_deltas
        self.conversation_id = ids.new("conv")
        """Of the conversation that responses write to."""
        self._running: dict[str, _Running] = {}
        self._cached_tokens = 0

    @property
    def active(self) -> Response | None:
        """The response that writes to the conversation."""
        of_conversation = (run.response for run in self._running.values() if run.response.conversation_id)
        return next(of_conversation, None)

    def begin(self, wish: ResponseWish, *, can_answer: bool) -> list[Out]:
        """Begin a response.

        Args:
            wish: What the client said about it.
            can_answer: Whether all that the user said has been understood; if not, `release` comes later.

        Raises:
            Refusal: Another one runs, or it takes an item that is not there.
        """
        if wish.conversation == "auto" and self.active is not None:
            raise self._refusal()
        effective = self._settings.laid_under(wish)
        if self.has_spoken and effective["audio"]["output"]["voice"] != self._settings.audio_output["voice"]:
            raise voice_refusal("response.audio.output.voice")
        given = wish.given()
        named = None if given.get("input") is None else self._named(given["input"])
        conversation_id = self.conversation_id if wish.conversation == "auto" else None
        response = Response(self._ids, self._events, effective, conversation_id, wish.metadata)
        self._running[response.id] = _Running(response, named)
        return [*response.begin(), *(self.release() if can_answer else [])]

    def begin_unasked(self) -> list[Out]:
        """Begin a response at the end of a turn; one that still runs makes this an `error` event."""
        if self.active is not None:
            return [self._events.refusal(self._refusal(), None)]
        return self.begin(ResponseWish(), can_answer=True)

    def release(self) -> list[Out]:
        """Have the answers made that waited for the ears."""
        wishes: list[Out] = []
        for run in self._running.values():
            if run.waits:
                run.waits = False
                wishes.append(Answer(run.response, self._conversation(run)))
        return wishes

    def cancel(self, response_id: str | None) -> list[Out]:
        """Cancel a response because the client wants it.

        Raises:
            Refusal: It does not run.
        """
        response = self.active
        if response_id is not None:
            response = self._running[response_id].response if response_id in self._running else None
        if response is None:
            message = "Cancellation failed: no active response found"
            raise Refusal("response_cancel_not_active", message)
        return self._cancelled(response, "client_cancelled")

    def interrupt(self) -> list[Out]:
        """Cancel the response that writes to the conversation, if one does, because the user speaks."""
        return self._cancelled(self.active, "turn_detected") if self.active else []

    # What its maker reports.

    def advance(self, response: Response, delta_ms: int) -> list[Out]:
        """Return the events of an answer's next delta; its end, if it has reached its longest."""
        self._running[response.id].delta_ms = delta_ms
        before = len(response.items)
        outputs: list[Out] = [*response.advance(delta_ms, self._items.last_id)]
        self._file(response, before)
        self.has_spoken = self.has_spoken or response.sound_ms > 0
        if response.is_full:
            outputs += self._ended(response, "incomplete", reason="max_output_tokens")
        return outputs

    def call(self, response: Response, call: Call) -> list[Out]:
        """Return the events of a function call."""
        before = len(response.items)
        events = response.call(call.name, call.arguments, self._items.last_id)
        self._file(response, before)
        return [*events]

    def finish(self, response: Response) -> list[Out]:
        """End an answer that is complete."""
        return self._ended(response, "completed")

    def fail(self, response: Response, message: str) -> list[Out]:
        """End an answer that could not be made."""
        error = {"type": "server_error", "code": None, "message": message}
        return self._ended(response, "failed", error=error)

    def _cancelled(
        self, response: Response, reason: Literal["turn_detected", "client_cancelled"]
    ) -> list[Out]:
        late: list[Out] = []
        for _ in range(self._late_deltas):
            if response.has_more:
                late += self.advance(response, self._running[response.id].delta_ms)
        end = [] if response.is_over else self._ended(response, "cancelled", reason=reason)
        return [StopAnswer(response.id), *late, *end]

    def _ended(self, response: Response, status: Status, **details: Any) -> list[Out]:
        run = self._running.pop(response.id)
        events = response.end(status, self._taken(run), self._cached_tokens, **details)
        usage: dict[str, Any] = events[-1]["response"]["usage"]
        if response.conversation_id is not None:
            self._cached_tokens = usage["total_tokens"]
        limits = rate_limits(usage["total_tokens"])
        return [*events, self._events.make("rate_limits.updated", rate_limits=limits)]

    def _conversation(self, run: _Running) -> Conversation:
        effective = run.response.effective
        return Conversation(
            instructions=effective["instructions"],
            turns=turns_of(self._taken(run)),
            tools=[tool for tool in effective["tools"] if tool["type"] == "function"],
            tool_choice=effective["tool_choice"],
        )

    def _taken(self, run: _Running) -> list[Item]:
        taken = self._items if run.named is None else run.named
        return [item for item in taken if item not in run.response.items]

    def _named(self, given: Sequence[Mapping[str, Any]]) -> list[Item]:
        kind = self._settings.audio_input["format"]["type"]
        return [
            self._items.retrieve(one["id"], f"response.input[{index}].id")
            if one["type"] == "item_reference"
            else created_item(one, self._ids, kind, f"response.input[{index}]")
            for index, one in enumerate(given)
        ]

    def _file(self, response: Response, before: int) -> None:
        """Put the items that a response has begun into the conversation."""
        if response.conversation_id is not None:
            for item in response.items[before:]:
                self._items.add(item)

    def _refusal(self) -> Refusal:
        running = self.active.id if self.active else ""
        message = (
            f"Conversation already has an active response in progress: {running}. "
            "Wait until the response is finished before creating a new one."
        )
        return Refusal("conversation_already_has_active_response", message)
