"""Which webhook is about which call, and what follows from it."""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from loguru import logger

from voicepipe.errors import CarrierRefusedError, PhoneError, SettingsError, VoicepipeError
from voicepipe.phone.agent import Agent
from voicepipe.phone.books import Books
from voicepipe.phone.call import Call
from voicepipe.phone.carriers.contract import (
    Carrier,
    CarrierApi,
    DetectionMode,
    GreetingEnded,
    IncomingCall,
    LegAnswered,
    MachineDetected,
    MarkupWanted,
    OutboundCall,
    Reply,
    StatusChanged,
    SummarySaid,
    Webhook,
    WebhookRefusedError,
    is_end,
)
from voicepipe.phone.hooks import PhoneObserver
from voicepipe.phone.limits import PhoneLimits
from voicepipe.phone.numbers import masked
from voicepipe.phone.results import MachineDetection
from voicepipe.phone.server import PhoneServer
from voicepipe.phone.talk import PipelineObservers

_LOST_SECS: Final = 60.0
"""How long after the ringing's end a call that we hear nothing of is given up."""
_REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for those who choose an agent for each call."""

    caller: str
    callee: str
    direction: Literal["inbound", "outbound"]


AgentFactory: TypeAlias = Callable[[Caller], Agent | Awaitable[Agent]]


class Switchboard:
    """All calls of one phone.

    Args:
        carrier: Whose calls.
        agent: What talks in incoming calls, or what chooses it; None answers none.
        limits: Bounds.
        observers: Who is told of all calls.
        books: Accounts and records of the calls.
        pipeline_observers: Makes those that see every frame of a call.
    """

    def __init__(
        self,
        carrier: Carrier,
        agent: Agent | AgentFactory | None,
        limits: PhoneLimits,
        *,
        observers: Sequence[PhoneObserver],
        books: Books,
        pipeline_observers: PipelineObservers | None = None,
    ) -> None:
        self._carrier = carrier
        self._agent = agent
        self._limits = limits
        self._observers = observers
        self._books = books
        self._pipeline_observers = pipeline_observers
        self._server: PhoneServer | None = None
        self._calls: dict[str, Call] = {}
        self._over: dict[str, Call] = {}
        self._choosing: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = True
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def calls(self) -> Sequence[Call]:
        """Those that are not over."""
        return list(self._calls.values())

    @asynccontextmanager
    async def on(self, server: PhoneServer) -> AsyncGenerator[None]:
        """Take the server whose webhooks come here, for the block; all calls end with it."""
        self._server = server
        try:
            yield
        finally:
            await self.close()

    # Outbound.

    async def place(
        self, to: str, from_: str, agent: Agent, ring_secs: int, detection: DetectionMode | None
    ) -> Call:
        """Call somebody.

        Raises:
            PhoneError: There are too many calls, or the phone closes.
            CarrierRefusedError: The carrier does not place it.
        """
        if not self._is_open:
            raise PhoneError("the phone closes and places no more calls")
        if self._is_full:
            raise PhoneError(f"limits.calls: there are {len(self._calls)} calls already")
        call = self._new_call("outbound", from_, to, agent)
        call.detects_fast = detection == "fast"
        wish = OutboundCall(call.id, to, from_, ring_secs, detection)
        # The carrier may have taken the call also if nobody waits for its answer any more.
        placing = self._start(self._place(call, wish), "phone: a call out")
        try:
            await asyncio.shield(placing)
        except asyncio.CancelledError:
            call.finish("canceled", "who placed the call did not wait for the carrier")
            raise
        return call

    async def _place(self, call: Call, wish: OutboundCall) -> None:
        with call.logs():
            try:
                call_id = await call.line.api.place(wish, self._running())
            except VoicepipeError as error:
                call.finish("failed", str(error))
                raise
            call.line.call_id = call.line.call_id or call_id
            if call.is_over and call.status == "canceled":
                # Ended from here, when there was nothing yet that the carrier could have ended.
                await call.line.tried(call.line.hang_up())
                return
            asyncio.get_running_loop().call_later(wish.ring_secs + _LOST_SECS, _give_up, call)
            logger.info(f"call {call.id}: to {masked(wish.to)}")

    # Webhooks.

    async def webhook(self, webhook: Webhook) -> Reply:
        """Do what a webhook means, and return the answer to it."""
        event = self._carrier.read(webhook)
        if isinstance(event, MarkupWanted):
            markup = self._running().kept(event.key)
            if markup is None:
                raise WebhookRefusedError("markup")
            return Reply(markup)
        if isinstance(event, IncomingCall):
            return await self._incoming(event)
        return Reply() if event is None else await self._about_a_call(event)

    async def _incoming(self, event: IncomingCall) -> Reply:
        if event.call_id in self._choosing or self._find("", event.call_id) is not None:
            raise WebhookRefusedError("replay")
        if self._agent is None or not self._is_open or self._is_full:
            return await self._refuse(event)
        caller = Caller(event.caller, event.callee, "inbound")
        self._choosing.add(event.call_id)
        try:
            agent = await chosen(self._agent, caller)
        finally:
            self._choosing.discard(event.call_id)
        if not self._is_open:
            return await self._refuse(event)
        call = self._new_call("inbound", event.caller, event.callee, agent)
        call.line.call_id = event.call_id
        with call.logs():
            logger.info(f"call {call.id}: from {masked(event.caller)}")
            return await self._open_stream(call, is_outbound=False)

    async def _refuse(self, event: IncomingCall) -> Reply:
        logger.info(f"a call from {masked(event.caller)} hears the busy tone")
        return await self._api().refuse(event.call_id)

    async def _about_a_call(
        self, event: LegAnswered | StatusChanged | MachineDetected | GreetingEnded | SummarySaid
    ) -> Reply:
        call = self._find(event.ref, event.call_id)
        if call is None:
            return Reply()
        with call.logs():
            return await self._told(call, event)

    async def _told(
        self,
        call: Call,
        event: LegAnswered | StatusChanged | MachineDetected | GreetingEnded | SummarySaid,
    ) -> Reply:
        if isinstance(event, LegAnswered):
            if event.is_person_leg:
                return await call.transfers.person_answered(event.call_id)
            if call.has_stream_offer or call.is_over:
                raise WebhookRefusedError("replay")
            call.line.call_id = event.call_id
            return await self._open_stream(call, is_outbound=True)
        if isinstance(event, StatusChanged):
            await self._status(call, event)
        elif isinstance(event, MachineDetected):
            detection = MachineDetection(event.classification, event.raw)
            # Where it was asked for at once, nobody says when the greeting ends.
            call.machine_detected(detection, may_speak=event.may_speak or call.detects_fast)
        elif isinstance(event, GreetingEnded):
            call.greeting_ended()
        else:
            await call.transfers.summary_said(event.call_id)
        return Reply()

    async def _status(self, call: Call, event: StatusChanged) -> None:
        if not event.is_person_leg:
            await call.status_changed(event)
        elif is_end(event.status):
            await call.transfers.person_gone(event.status)
        elif event.status == "in-progress":
            call.transfers.person_came()

    async def _open_stream(self, call: Call, *, is_outbound: bool) -> Reply:
        call.has_stream_offer = True
        offer = self._running().offer(call)
        try:
            return await call.line.api.open_stream(call.line.call_id, offer, is_outbound=is_outbound)
        except CarrierRefusedError as error:
            call.give_up(str(error))
            return Reply()

    # Life.

    async def drain(self, within_secs: float) -> None:
        """Take no more calls, and wait for those that run to end, but not for too long."""
        self._is_open = False
        try:
            async with asyncio.timeout(within_secs):
                await self._idle.wait()
        except TimeoutError:
            logger.info(f"{len(self._calls)} calls go on for too long and are ended")

    async def close(self) -> None:
        """End all calls at once, and wait until observers were told so."""
        self._is_open = False
        await asyncio.gather(*(call.cancel("the phone closes") for call in self.calls))
        await self._idle.wait()
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def _is_full(self) -> bool:
        return len(self._calls) + len(self._choosing) >= self._limits.calls

    def _new_call(
        self, direction: Literal["inbound", "outbound"], caller: str, callee: str, agent: Agent
    ) -> Call:
        call = Call(
            secrets.token_hex(8),
            direction,
            caller,
            callee,
            agent=agent,
            carrier=self._carrier,
            api=self._api(),
            desk=self._running(),
            books=self._books,
            observers=self._observers,
            pipeline_observers=self._pipeline_observers,
            call_secs=self._limits.call_secs,
        )
        self._calls[call.id] = call
        self._idle.clear()
        call.when_over(self._call_is_over)
        return call

    def _call_is_over(self, call: Call) -> None:
        self._calls.pop(call.id, None)
        # Late webhooks are about calls that are over: a transfer's, and repeats.
        self._over[call.id] = call
        if len(self._over) > _REMEMBERED:
            del self._over[next(iter(self._over))]
        self._start(call.close(), "phone: the end of a call")
        if not self._calls:
            self._idle.set()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Who waited for it has it; if nobody does any more, the call has said so.
            task.exception()

    def _find(self, ref: str, call_id: str) -> Call | None:
        for calls in (self._calls, self._over):
            if ref in calls:
                return calls[ref]
        everywhere = [*self._calls.values(), *self._over.values()]
        return next((call for call in everywhere if call_id and call.carrier_call_id == call_id), None)

    def _api(self) -> CarrierApi:
        return self._carrier.api(self._running().session)

    def _running(self) -> PhoneServer:
        if self._server is None:
            raise PhoneError("the phone does not serve")
        return self._server


def checked_agent(agent: Agent | AgentFactory | None) -> None:
    """See that something can talk in calls, or choose what does.

    Raises:
        SettingsError: It is neither.
    """
    if agent is not None and not isinstance(agent, Agent) and not callable(agent):
        what = type(cast("Any", agent)).__name__
        raise SettingsError("agent", f"a {what} is no agent and no function that returns one")


async def chosen(agent: Agent | AgentFactory, caller: Caller) -> Agent:
    """Return the agent for a call.

    Raises:
        PhoneError: What chooses it gave none.
    """
    if isinstance(agent, Agent):
        return agent
    made = agent(caller)
    made = await made if inspect.isawaitable(made) else made
    if not isinstance(cast("Any", made), Agent):
        raise PhoneError(f"agent: what was made for the call is a {type(made).__name__}, no agent")
    return made


def _give_up(call: Call) -> None:
    # With a stream that was offered, whether it comes is waited for elsewhere, and a caller on hold has none.
    if not call.has_stream_offer:
        call.give_up("the carrier said nothing more of the call")
