"""One telephone call: what is known of it, and what can be done with it while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Literal

from loguru import logger

from voicepipe.errors import CarrierRefusedError, PhoneError
from voicepipe.phone.books import Books
from voicepipe.phone.carriers.contract import (
    CallStatus,
    Carrier,
    CarrierApi,
    StatusChanged,
    TransferMode,
    WarmTransfer,
    checked_mode,
    further,
    is_end,
)
from voicepipe.phone.hooks import Audience, PhoneObserver
from voicepipe.phone.line import Line
from voicepipe.phone.milestones import Milestones
from voicepipe.phone.notes import Notes
from voicepipe.phone.numbers import checked_keys, checked_number, masked, without_numbers
from voicepipe.phone.refusals import NotingApi
from voicepipe.phone.results import CallResult, MachineDetection, Turn, outcome_of
from voicepipe.phone.talk import PipelineObservers, Stint, Talk
from voicepipe.phone.transfers import UNREACHED, Desk, Transfers
from voicepipe.plain_words import one_line
from voicepipe.telemetry.cost import Cost
from voicepipe.telemetry.logs import in_call
from voicepipe.telemetry.meter import Account
from voicepipe.transports.telephony import TelephonyTransport

if TYPE_CHECKING:
    from voicepipe.phone.agent import Agent

_CALLED_OFF: Final = ("completed", "canceled")
"""How carriers call the end of a call that they were told to end."""


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
        desk: The phone's server.
        books: Where its account and its record are.
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
        desk: Desk,
        books: Books,
        observers: Sequence[PhoneObserver] = (),
        pipeline_observers: PipelineObservers | None = None,
        call_secs: float = 3600.0,
    ) -> None:
        self.id = ref
        """Our id of it."""
        self.direction: Literal["inbound", "outbound"] = direction
        """Who called."""
        self.caller = caller
        """The number that calls."""
        self.callee = callee
        """The number that is called."""
        self.agent = agent
        """What talks."""
        self.carrier = carrier.name
        """The carrier, in small letters."""
        self.status: CallStatus = "queued" if direction == "outbound" else "ringing"
        """The carrier's last word."""
        self.has_stream_offer = False
        """Whether the carrier was told to open the stream, which it is once."""
        self.detects_fast = False
        """Whether who picked up is said at once, and not again when a machine's greeting has ended."""
        self._ending: tuple[CallStatus, str] | None = None
        self._giving_up: asyncio.Task[bool] | None = None
        self._book = books.open(
            ref,
            direction,
            caller,
            callee,
            carrier=carrier.name,
            engine=agent.engine,
            on_cap=self._spent,
        )
        self._audience = Audience([agent.hooks, *observers])
        self._notes = Notes(self, self._audience, self._book.diary)
        noting = NotingApi(api, self._book.diary.refused)
        self.line = Line(carrier, noting, on_id=self._book.known_as, on_error=self.report_error)
        """The carrier's side of it, for the phone's switchboard."""
        self.transfers = Transfers(self, self.line, desk, self._book.diary)
        """For the phone's switchboard, which tells it what becomes of the person."""
        self._milestones = Milestones()
        self._talk = Talk(
            self,
            self._book,
            self._notes,
            self._audience,
            self._milestones,
            call_secs=min(call_secs, agent.max_call_secs or call_secs),
            pipeline_observers=pipeline_observers,
        )

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
    def carrier_call_id(self) -> str:
        """The carrier's id of it; empty until it is known."""
        return self.line.call_id

    @property
    def machine(self) -> MachineDetection | None:
        """Who picked up, if that was asked and is known."""
        return self._talk.machine

    @property
    def account(self) -> Account:
        """What it used so far and what that costs."""
        return self._book.account

    @property
    def cost(self) -> Cost:
        """What it costs so far, by part, in US dollars; the total is None if something used has no price."""
        return self.account.cost

    @property
    def is_transferred(self) -> bool:
        """Whether it was handed to somebody else."""
        return self.transfers.is_done

    @property
    def is_on_hold(self) -> bool:
        """Whether the caller waits for a person to be reached."""
        return self.transfers.is_on_hold

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._milestones.result is not None

    @property
    def is_talking(self) -> bool:
        """Whether its media stream runs."""
        return self._talk.conversation is not None

    async def result(self) -> CallResult:
        """Wait for its end, and return how it ended."""
        return await self._milestones.until_over()

    async def until_answered(self) -> None:
        """Wait until somebody picked up and the stream runs.

        Raises:
            PhoneError: It ended before.
        """
        if not await self._milestones.until_answered():
            raise PhoneError(f"the call was not answered: {self.status}")

    async def say(self, text: str) -> None:
        """Have the bot say exactly this.

        Raises:
            PhoneError: The call has no stream.
        """
        await self._talk.now().say(text)

    async def send_dtmf(self, keys: str) -> None:
        """Press keys.

        Raises:
            PhoneError: The call has no stream.
            SettingsError: `keys` are not all keys.
        """
        await self._talk.now().press(checked_keys(keys))
        self._book.diary.sent(keys)

    async def hang_up(self, reason: str = "the bot hung up") -> None:
        """End it, after what the bot said was heard; one that rings still at once.

        Raises:
            CarrierRefusedError: The carrier did not end it.
        """
        if self.is_over:
            return
        if self._talk.conversation is not None and not self.is_on_hold:
            await self._talk.conversation.end(reason)
            return
        if self.carrier_call_id:
            self._ending = "canceled", reason
            try:
                await self.line.hang_up()
            except CarrierRefusedError:
                self._ending = None
                raise
            await self.transfers.recall()
        self.finish("canceled", reason)

    async def transfer(
        self,
        to: str,
        *,
        mode: TransferMode = "cold",
        summary: str = "",
        hold_audio_url: str = "",
        ring_secs: int = 25,
        unreached_message: str = UNREACHED,
    ) -> None:
        """Hand it to a person. The bot leaves it, and comes back if the person of a warm transfer cannot be reached.

        Args:
            to: The person's number.
            mode: `cold` has it ring there at once. `warm` has the caller wait while the person hears `summary`.
            summary: What it is about.
            hold_audio_url: Of sound the caller hears meanwhile; empty is the carrier's own, which Telnyx has none of.
            ring_secs: How long it may ring at the person's, if it is warm.
            unreached_message: What the bot says when it is back.

        Raises:
            PhoneError: The call has no stream, a transfer is under way, or the carrier refused; then the bot goes on.
            SettingsError: `to` is no number, or there is no such mode.
        """
        checked_number("to", to)
        conversation = self._talk.now()
        if checked_mode("mode", mode) == "cold":
            await self.transfers.cold(conversation, to)
            return
        own = self.callee if self.direction == "inbound" else self.caller
        wish = WarmTransfer(self.id, self.carrier_call_id, to, own, summary, hold_audio_url, ring_secs)
        await self.transfers.warm(conversation, wish, unreached_message)

    async def record(self, on: bool = True) -> None:
        """Have the carrier record the call, or stop it.

        Raises:
            CarrierRefusedError: It does not.
        """
        await self.line.record(on=on)

    # What tools may wish: done when the bot has been heard.

    def end_soon(self, reason: str) -> None:
        """End it when the caller has heard what the bot said."""

        async def end() -> None:
            await self._talk.now().end(reason)

        self._talk.now().wish(end)

    def transfer_soon(
        self, to: str, *, mode: TransferMode = "cold", summary: str = "", hold_audio_url: str = ""
    ) -> None:
        """Hand it to a person when the caller has heard what the bot said."""

        async def transfer() -> None:
            await self._talk.now().until_quiet()
            try:
                await self.transfer(to, mode=mode, summary=summary, hold_audio_url=hold_audio_url)
            except CarrierRefusedError as error:
                self.report_error(str(error))
                # Somebody was promised to the caller, who would wait in silence.
                await self._talk.now().say(UNREACHED)

        self._talk.now().wish(transfer)

    def report_error(self, message: str) -> None:
        """Tell hooks and observers that something went wrong."""
        self._notes.erred(message)

    # What the phone's server does with it.

    def logs(self) -> AbstractContextManager[None]:
        """Have what is logged within it be about this call."""
        return in_call(self.id, lambda: self.carrier_call_id)

    def when_over(self, tell: Callable[[Call], None]) -> None:
        """Have something called when it is over."""
        self._milestones.when_over(lambda: tell(self))

    async def converse(self, transport: TelephonyTransport) -> None:
        """Talk until somebody ends it. It is over afterwards, unless the caller waits for a person."""
        if self.is_over:
            return
        stint = Stint()
        try:
            await self._talk.run(transport, stint)
        finally:
            await self._end_of(stint)

    async def _end_of(self, stint: Stint) -> None:
        # The carrier may say that it is over before it has answered the request to end it.
        self._ending = stint.status, stint.reason
        await self.transfers.settle()
        if self.transfers.has_ended(stint.conversation):
            self._ending = None
        elif self.is_transferred:
            # Carriers take the call from its stream, which looks as if the caller had hung up.
            self.finish("completed", "transferred")
        else:
            await self.line.leave()
            self.finish(stint.status, stint.reason)

    async def status_changed(self, event: StatusChanged) -> None:
        """Take the carrier's word on where it is."""
        self.line.call_id = event.call_id or self.line.call_id
        if self.is_over:
            return
        self.status = further(self.status, event.status)
        # With a stream, its end is the call's: it comes on its own. That of a caller on hold may still be ending.
        if is_end(event.status) and (self._talk.conversation is None or self.is_on_hold):
            self.finish(*self._end_by(event))
            await self.transfers.recall()

    def _end_by(self, event: StatusChanged) -> tuple[CallStatus, str]:
        if self.is_on_hold:
            return event.status, "the caller hung up while on hold"
        if self._ending is not None and event.status in _CALLED_OFF:
            return self._ending
        return event.status, event.cause or f"the carrier says: {event.status}"

    def machine_detected(self, detection: MachineDetection, *, may_speak: bool) -> None:
        """Take the carrier's word on who picked up; leave a message on a machine, or hang up."""
        self._talk.machine_detected(detection, may_speak=may_speak)

    def greeting_ended(self) -> None:
        """A machine records from here on."""
        self._talk.greeting_ended()

    # Its end.

    async def cancel(self, reason: str) -> None:
        """End it at once."""
        if self._talk.conversation is not None and not self.is_on_hold:
            await self._talk.conversation.cancel(reason)
        elif not self.is_over:
            if self._ending is None:
                self._ending = "canceled", reason
                await self._drop()
            self.finish(*self._ending)

    async def _drop(self) -> None:
        """Have the carrier end a call that has no stream."""
        if self.is_on_hold:
            await self.line.tried(self.transfers.drop())
        elif self.carrier_call_id and not self.is_transferred:
            await self.line.tried(self.line.hang_up())

    def give_up(self, reason: str) -> None:
        """End it as failed, since the carrier does not do its part; it is told so meanwhile."""
        if self.is_over or self.is_talking:
            return
        self.finish("failed", reason)
        if self.carrier_call_id:
            hanging_up = self.line.tried(self.line.hang_up())
            self._giving_up = asyncio.create_task(hanging_up, name="phone: giving up a call")

    def _spent(self) -> None:
        self._talk.spent()

    def finish(self, status: CallStatus, reason: str) -> None:
        """Take note that it is over. What comes first counts."""
        if self.is_over:
            return
        self.status = status
        result = CallResult(
            call_id=self.id,
            outcome=outcome_of(status, self.machine, was_answered=self._talk.has_begun),
            status=status,
            reason=reason,
            duration_secs=self._notes.now_secs if self._talk.has_begun else 0.0,
            account=self._book.account,
            transcript=self.transcript,
            machine=self.machine,
        )
        self._book.close(result)
        logger.info(f"call {self.id}: over, {result.outcome}: {one_line(without_numbers(reason))}")
        self._audience.tell(lambda observer: observer.call_ended(self, result))
        self._milestones.over(result)

    async def close(self) -> None:
        """Wait until observers were told all, and what was asked of the carrier has come to something."""
        await self.transfers.settle()
        if self._giving_up is not None:
            await self._giving_up
        await self._audience.close()
