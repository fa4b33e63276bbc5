"""One telephone call: what is known of it, and what can be done with it while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from loguru import logger
from pipecat.observers.base_observer import BaseObserver

from voicepipe.errors import CarrierRefusedError, PhoneError, SettingsError, VoicepipeError
from voicepipe.phone.carriers.contract import (
    Callbacks,
    CallStatus,
    Carrier,
    CarrierApi,
    StatusChanged,
    WarmTransfer,
)
from voicepipe.phone.conversation import Conversation, Wish
from voicepipe.phone.engines.engine import Brief
from voicepipe.phone.hooks import Audience, CallObserver
from voicepipe.phone.notes import Notes
from voicepipe.phone.numbers import checked_keys, checked_number, masked
from voicepipe.phone.results import CallResult, MachineDetection, Turn, outcome_of
from voicepipe.phone.tools import Tool
from voicepipe.transports.telephony import TelephonyTransport

if TYPE_CHECKING:
    from voicepipe.phone.agent import Agent

PipelineObservers: TypeAlias = Callable[["Call"], Sequence[BaseObserver]]
"""Makes a call's observers of frames, e.g. those of `voicepipe.telemetry`."""

_ENDS: Final = ("completed", "busy", "no-answer", "failed", "canceled")


class Call:
    """A call, in or out; made by a `Phone`.

    Args:
        ref: Our id of it.
        direction: Who called.
        caller: The number that calls.
        callee: The number that is called.
        agent: What talks.
        carrier: Whose call it is.
        api: Its REST API.
        callbacks: Where the carrier finds us.
        observers: Who is told, besides the agent's hooks.
        pipeline_observers: Makes those that see every frame.
        call_secs: The longest it may last.
    """

    def __init__(
        self,
        ref: str,
        direction: Literal["inbound", "outbound"],
        caller: str,
        callee: str,
        *,
        agent: Agent,
        carrier: Carrier,
        api: CarrierApi,
        callbacks: Callbacks,
        observers: Sequence[CallObserver] = (),
        pipeline_observers: PipelineObservers | None = None,
        call_secs: float = 3600.0,
    ) -> None:
        self.id = ref
        """Our id of it."""
        self.direction = direction
        """Who called."""
        self.caller = caller
        """The number that calls."""
        self.callee = callee
        """The number that is called."""
        self.agent = agent
        """What talks."""
        self.carrier = carrier.name
        """The carrier, in small letters."""
        self.carrier_call_id = ""
        """The carrier's id of it, once it is known."""
        self.status: CallStatus = "queued" if direction == "outbound" else "ringing"
        """The carrier's last word."""
        self.machine: MachineDetection | None = None
        """Who picked up, if that was asked and is known."""
        self.is_transferred = False
        """Whether it was handed to somebody else."""
        self.has_stream_offer = False
        """Whether the carrier was told to open the stream, which it is once."""
        self._carrier = carrier
        self._api = api
        self._callbacks = callbacks
        self._pipeline_observers = pipeline_observers
        self._call_secs = min(call_secs, agent.max_call_secs or call_secs)
        self._audience = Audience([agent.hooks, *observers])
        self._notes = Notes(self, self._audience)
        self._conversation: Conversation | None = None
        self._summary = ""
        self._machine_records = False
        self._has_met_machine = False
        self._duration_secs = 0.0
        self._was_answered = False
        self._answered = asyncio.Event()
        self._result: CallResult | None = None
        self._is_over = asyncio.Event()
        self._on_over: Callable[[Call], None] | None = None

    def __repr__(self) -> str:
        return (
            f"<Call {self.id} {self.direction} {masked(self.caller)} -> {masked(self.callee)} {self.status}>"
        )

    # What an application may ask and do.

    @property
    def transcript(self) -> Sequence[Turn]:
        """What was said so far."""
        return tuple(self._notes.turns)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._result is not None

    @property
    def is_talking(self) -> bool:
        """Whether its media stream runs."""
        return self._conversation is not None

    async def result(self) -> CallResult:
        """Wait for its end, and return how it ended."""
        await self._is_over.wait()
        assert self._result is not None
        return self._result

    async def until_answered(self) -> None:
        """Wait until somebody picked up and the stream runs.

        Raises:
            PhoneError: It ended before.
        """
        waits = [asyncio.create_task(event.wait()) for event in (self._answered, self._is_over)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if not self._answered.is_set():
            raise PhoneError(f"the call was not answered: {self.status}")

    async def say(self, text: str) -> None:
        """Have the bot say exactly this.

        Raises:
            PhoneError: The call has no stream.
        """
        await self._talking().say(text)

    async def send_dtmf(self, keys: str) -> None:
        """Press keys.

        Raises:
            PhoneError: The call has no stream.
            SettingsError: `keys` are not all keys.
        """
        await self._talking().press(checked_keys(keys))

    async def hang_up(self, reason: str = "the bot hung up") -> None:
        """End it, after what the bot said was heard; one that rings still at once.

        Raises:
            CarrierRefusedError: The carrier did not end it.
        """
        if self.is_over:
            return
        if self._conversation is not None:
            await self._conversation.end(reason)
        elif self.carrier_call_id:
            await self._api.hang_up(self.carrier_call_id)
            self.finish("canceled", reason)

    async def transfer(
        self,
        to: str,
        *,
        mode: Literal["cold", "warm"] = "cold",
        summary: str = "",
        hold_audio_url: str = "",
    ) -> None:
        """Hand it to a person. The bot leaves it.

        Args:
            to: The person's number.
            mode: `cold` has it ring there at once. `warm` has the caller wait while the person hears `summary`.
            summary: What it is about.
            hold_audio_url: Of sound the caller hears meanwhile; empty is the carrier's own, which Telnyx has none of.

        Raises:
            PhoneError: The call has no stream, or the carrier refused; then the bot goes on.
            SettingsError: `to` is no number.
        """
        checked_number("to", to)
        conversation = self._talking()
        self.is_transferred = True
        try:
            if mode == "cold":
                await self._api.transfer(self.carrier_call_id, to, self._callbacks)
            else:
                self._summary = summary
                own = self.callee if self.direction == "inbound" else self.caller
                wish = WarmTransfer(self.id, self.carrier_call_id, to, own, summary, hold_audio_url)
                await self._api.warm_transfer(wish, self._callbacks)
        except (CarrierRefusedError, SettingsError):
            self.is_transferred = False
            raise
        logger.info(f"call {self.id}: transferred to {masked(to)}")
        await conversation.cancel("transferred")

    async def record(self, on: bool = True) -> None:
        """Have the carrier record the call, or stop it.

        Raises:
            CarrierRefusedError: It does not.
        """
        await self._api.record(self.carrier_call_id, on=on)

    # What tools may wish: done when the bot has been heard.

    def end_soon(self, reason: str) -> None:
        """End it when the caller has heard what the bot said."""

        async def end() -> None:
            await self._talking().end(reason)

        self._wish(end)

    def transfer_soon(
        self, to: str, *, mode: Literal["cold", "warm"] = "cold", summary: str = "", hold_audio_url: str = ""
    ) -> None:
        """Hand it to a person when the caller has heard what the bot said."""

        async def transfer() -> None:
            await self._talking().until_quiet()
            await self.transfer(to, mode=mode, summary=summary, hold_audio_url=hold_audio_url)

        self._wish(transfer)

    def report_error(self, message: str) -> None:
        """Tell hooks and observers that something went wrong."""
        self._notes.erred(message)

    def _wish(self, wish: Wish) -> None:
        self._talking().wish(wish)

    def _talking(self) -> Conversation:
        if self._conversation is None:
            raise PhoneError(f"call {self.id} has no stream: it is {self.status}")
        return self._conversation

    # What the phone's server does with it.

    def when_over(self, tell: Callable[[Call], None]) -> None:
        """Have something called when it is over."""
        self._on_over = tell

    async def converse(self, transport: TelephonyTransport) -> None:
        """Talk until somebody ends it. It is over afterwards."""
        if self.is_over:
            return
        reason = "the bot could not be made"
        status: CallStatus = "failed"
        try:
            conversation = self._conversation = self._prepared(transport)
            self.status, self._was_answered = "in-progress", True
            self._notes.begin()
            status, reason = "completed", "cancelled"
            outcome = await conversation.run()
            reason = conversation.end_reason or outcome.detail or outcome.reason
            status = "failed" if outcome.reason == "failed" else "completed"
        except VoicepipeError as error:
            self.report_error(str(error))
            reason = str(error)
        finally:
            if self._was_answered:
                self._duration_secs = self._notes.now_secs
            self._conversation = None
            await self._leave()
            self.finish(status, reason)

    def status_changed(self, event: StatusChanged) -> None:
        """Take the carrier's word on where it is."""
        self.carrier_call_id = event.call_id or self.carrier_call_id
        if self.is_over:
            return
        self.status = event.status
        # With a stream, its end is the call's: it comes on its own.
        if event.status in _ENDS and self._conversation is None:
            self.finish(event.status, event.cause or f"the carrier says: {event.status}")

    def machine_detected(self, detection: MachineDetection, *, may_speak: bool) -> None:
        """Take the carrier's word on who picked up; leave a message on a machine, or hang up."""
        if self.machine is not None:
            return
        self.machine = detection
        self._audience.tell(lambda observer: observer.machine(self, detection))
        self._machine_records = may_speak
        self._meet_machine()

    def greeting_ended(self) -> None:
        """A machine records from here on."""
        self._machine_records = True
        self._meet_machine()

    def _meet_machine(self) -> None:
        """Leave the message or hang up, once all that is needed for it is there."""
        who = self.machine.classification if self.machine else "unknown"
        if who not in ("machine", "fax") or self._conversation is None or self._has_met_machine:
            return
        has_message = bool(self.agent.voicemail_message) and who == "machine"
        if has_message and not self._machine_records:
            return
        self._has_met_machine = True
        self._wish(self._leave_message if has_message else self._hang_up_on_machine)

    async def human_answered(self, human_call_id: str) -> None:
        """Go on with a warm transfer."""
        await self._api.human_answered(self.carrier_call_id, human_call_id, self._summary)

    async def summary_said(self, human_call_id: str) -> None:
        """Finish a warm transfer."""
        await self._api.join(self.carrier_call_id, human_call_id)

    async def human_gone(self, status: CallStatus) -> None:
        """A warm transfer reached nobody, or that person hung up: nobody is left for the caller."""
        logger.info(f"call {self.id}: the person it was transferred to is gone: {status}")
        await self._api.hang_up(self.carrier_call_id)

    async def cancel(self, reason: str) -> None:
        """End it at once."""
        if self._conversation is not None:
            await self._conversation.cancel(reason)
        elif not self.is_over:
            await self._leave()
            self.finish("canceled", reason)

    def finish(self, status: CallStatus, reason: str) -> None:
        """Take note that it is over. What comes first counts."""
        if self._result is not None:
            return
        self.status = status
        result = self._result = CallResult(
            call_id=self.id,
            outcome=outcome_of(status, self.machine, was_answered=self._was_answered),
            status=status,
            reason=reason,
            duration_secs=self._duration_secs,
            transcript=self.transcript,
            machine=self.machine,
        )
        logger.info(f"call {self.id}: over, {result.outcome}: {reason}")
        self._audience.tell(lambda observer: observer.call_ended(self, result))
        self._is_over.set()
        if self._on_over is not None:
            self._on_over(self)

    async def close(self) -> None:
        """Wait until observers were told all."""
        await self._audience.close()

    def _prepared(self, transport: TelephonyTransport) -> Conversation:
        tools = [tool.schema(self) if isinstance(tool, Tool) else tool for tool in self.agent.tools]
        needs_words = any(one.is_for("user") for one in self.agent.guardrails)
        brief = Brief(self.agent.system_prompt, self.agent.first_message, tools, needs_words)
        return Conversation(
            transport,
            self.agent,
            self.agent.engine.bot(brief),
            self._notes,
            call_secs=self._call_secs,
            on_started=self._started,
            observers=self._pipeline_observers(self) if self._pipeline_observers else (),
        )

    async def _started(self) -> None:
        self._answered.set()
        self._audience.tell(lambda observer: observer.call_started(self))
        self._meet_machine()
        if self.agent.record:
            try:
                await self.record()
            except CarrierRefusedError as error:
                self.report_error(str(error))

    async def _leave(self) -> None:
        """Have the carrier end the call where the end of the stream does not."""
        if self.is_transferred or self._carrier.stream_ends_call or not self.carrier_call_id:
            return
        try:
            await self._api.hang_up(self.carrier_call_id)
        except CarrierRefusedError as error:
            self.report_error(str(error))

    async def _leave_message(self) -> None:
        conversation = self._talking()
        try:
            await conversation.say_instead(self.agent.voicemail_message)
        except TimeoutError:
            self.report_error("the message for the answering machine was not said in time")
        await conversation.end("the message was left on an answering machine")

    async def _hang_up_on_machine(self) -> None:
        await self._talking().cancel("an answering machine picked up")
