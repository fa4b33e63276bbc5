"""What talks in a call: one conversation, and another one if the caller comes back from waiting for a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pipecat.observers.base_observer import BaseObserver

from voicepipe.errors import PhoneError, VoicepipeError
from voicepipe.phone.books import CallBook
from voicepipe.phone.carriers.contract import CallStatus
from voicepipe.phone.conversation import Conversation
from voicepipe.phone.engines.engine import Brief
from voicepipe.phone.hooks import Audience
from voicepipe.phone.machine import MachineWatch
from voicepipe.phone.milestones import Milestones
from voicepipe.phone.notes import Notes
from voicepipe.phone.results import MachineDetection
from voicepipe.phone.tools import Tool
from voicepipe.phone.transfers import prompt_after
from voicepipe.transports.telephony import TelephonyTransport

if TYPE_CHECKING:
    from voicepipe.phone.call import Call

PipelineObservers: TypeAlias = Callable[["Call"], Sequence[BaseObserver]]
"""Makes a call's observers of frames, e.g. those of `voicepipe.telemetry`."""


@dataclass
class Stint:
    """One conversation of a call, and how it ended, whatever ended it.

    Parameters:
        conversation: None if there could be none.
        status: What the call's status is after it, if the call ends with it.
        reason: Why it ended, in words.
    """

    conversation: Conversation | None = None
    status: CallStatus = "failed"
    reason: str = "the bot could not be made"


class Talk:
    """Of one call.

    Args:
        call: The call.
        book: Its account and its record.
        notes: Told of what is heard.
        audience: Told of the start, and of who picked up.
        milestones: Told of the answer.
        call_secs: The longest the call may last.
        pipeline_observers: Makes those that see every frame.
    """

    def __init__(
        self,
        call: Call,
        book: CallBook,
        notes: Notes,
        audience: Audience,
        milestones: Milestones,
        *,
        call_secs: float,
        pipeline_observers: PipelineObservers | None,
    ) -> None:
        self.conversation: Conversation | None = None
        """What goes on now, or is just coming to its end."""
        self.has_begun = False
        """Whether there ever was a conversation."""
        self._call = call
        self._agent = call.agent
        self._book = book
        self._notes = notes
        self._audience = audience
        self._milestones = milestones
        self._call_secs = call_secs
        self._pipeline_observers = pipeline_observers
        self._machine = MachineWatch(has_message=bool(call.agent.voicemail_message))
        self._is_spent = False

    @property
    def machine(self) -> MachineDetection | None:
        """Who picked up, if that was asked and is known."""
        return self._machine.detection

    def now(self) -> Conversation:
        """Return what goes on.

        Raises:
            PhoneError: The call has no stream.
        """
        if self.conversation is None:
            raise PhoneError(f"call {self._call.id} has no stream: it is {self._call.status}")
        return self.conversation

    async def run(self, transport: TelephonyTransport, stint: Stint) -> None:
        """Talk until somebody ends it.

        Args:
            transport: The call's stream, started.
            stint: Filled in as it goes, so that it holds also if this is cancelled.
        """
        try:
            stint.conversation = self.conversation = self._prepared(transport)
            self._call.status = "in-progress"
            if not self.has_begun:
                self.has_begun = True
                self._notes.begin()
            stint.status, stint.reason = "completed", "cancelled"
            async with self._book.watched():
                outcome = await stint.conversation.run()
            stint.reason = stint.conversation.end_reason or outcome.detail or outcome.reason
            stint.status = "failed" if outcome.reason == "failed" else "completed"
        except VoicepipeError as error:
            self._call.report_error(str(error))
            stint.reason = str(error)
        finally:
            if self.conversation is stint.conversation:
                self.conversation = None

    # What ends it from here.

    def spent(self) -> None:
        """End it politely: the call costs as much as it may. On hold that is said when the caller is back."""
        self._is_spent = True
        if self.conversation is not None:
            reason = "the call reached its spending cap"
            self.conversation.wish_last_words(self._book.spending_message, reason)

    def machine_detected(self, detection: MachineDetection, *, may_speak: bool) -> None:
        """Take the carrier's word on who picked up; leave a message on a machine, or hang up."""
        if self._machine.detected(detection, may_speak=may_speak):
            self._audience.tell(lambda observer: observer.machine(self._call, detection))
            self._meet_machine()

    def greeting_ended(self) -> None:
        """A machine records from here on."""
        self._machine.greeting_ended()
        self._meet_machine()

    def _meet_machine(self) -> None:
        conversation = self.conversation
        if conversation is None:
            return
        to_do = self._machine.to_do()
        if to_do == "leave_message":
            reason = "the message was left on an answering machine"
            conversation.wish_last_words(self._agent.voicemail_message, reason)
        elif to_do == "hang_up":
            conversation.wish(lambda: conversation.cancel("an answering machine picked up"))

    # How it begins.

    def _prepared(self, transport: TelephonyTransport) -> Conversation:
        observers = self._pipeline_observers(self._call) if self._pipeline_observers else ()
        return Conversation(
            transport,
            self._agent,
            self._agent.engine.bot(self._brief()),
            self._notes,
            call_secs=self._call_secs - (self._notes.now_secs if self.has_begun else 0.0),
            on_started=self._started,
            observers=[self._book.observer(), *observers],
        )

    def _brief(self) -> Brief:
        agent, call = self._agent, self._call
        tools = [tool.schema(call) if isinstance(tool, Tool) else tool for tool in agent.tools]
        needs_words = any(one.is_for("user") for one in agent.guardrails)
        prompt, first_message = agent.system_prompt, agent.first_message
        if call.transfers.unreached_message:
            prompt = prompt_after(prompt, call.transcript)
            first_message = call.transfers.unreached_message
        return Brief(prompt, first_message, tools, needs_words)

    async def _started(self) -> None:
        if self._is_spent:
            self.spent()
        if self._milestones.is_answered:
            return
        self._milestones.answered()
        self._audience.tell(lambda observer: observer.call_started(self._call))
        self._meet_machine()
        if self._agent.record:
            await self._call.line.tried(self._call.record())
