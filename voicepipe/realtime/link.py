"""What keeps a conversation connected: one connection after the other, each opened before or after the last one's end.

It knows nothing of what is said. Whoever owns it is told when a connection is there, when it is lost and when no other one
can be had, and says when a session is settled.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from loguru import logger

from voicepipe.errors import ConnectionRefused, FailureKind
from voicepipe.plain_words import one_line
from voicepipe.realtime.connection import Closed, Connection, Endpoint, Limits, OnClosed, OnMessage
from voicepipe.realtime.events import Send
from voicepipe.rests import Rest

_HOPELESS: Final[frozenset[FailureKind]] = frozenset({"authentication", "quota", "model", "protocol"})
"""Refusals that another try cannot change."""
_HOPELESS_AT_FIRST: Final[frozenset[FailureKind]] = frozenset({*_HOPELESS, "connection"})
_SHARE_BEFORE_END: Final = 11 / 12
"""Of a session's time, after which it is renewed if the server says when it ends: 55 of 60 minutes."""


WireWay: TypeAlias = Literal["opened", "sent", "received", "closed"]
WireTap: TypeAlias = Callable[[WireWay, bytes], None]
"""Is called with what passes a link, and has to return at once.

The bytes are the message; of `opened` the address without its query; of `closed`, which is told where nobody here closed it,
the code, a blank and the reason.
"""


class Wire(Protocol):
    """What a link needs of a connection; `Connection` is one."""

    @property
    def waiting_bytes(self) -> int:
        """How much has not gone out yet."""
        ...

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionRefused: That is not possible.
        """
        ...

    def send(self, message: Send) -> bool:
        """Send a message soon; False if there was no room for it."""
        ...

    def abandon(self, why: str) -> None:
        """Give the connection up as if the server had ended it, since it does not become ready."""
        ...

    async def close(self) -> None:
        """End the connection; may be called more than once."""
        ...


Dial: TypeAlias = Callable[[Endpoint, OnMessage, OnClosed, Limits | None], Wire]


@dataclass(frozen=True, slots=True)
class Reconnect:
    """How a lost connection is replaced.

    Parameters:
        tries: How often in a row without a settled session between them; 0 never does.
        first_ms: How long the second try waits; the first does not. Each further one waits twice as long.
        longest_ms: No try waits longer.
        jitter: The share of a wait that is left to chance, so that many bots do not come back at one moment.
        renew_after_secs: When a session is replaced though nothing is wrong, in a quiet moment, because the API ends
            it after an hour. Earlier if the server says that it ends earlier.
    """

    tries: int = 6
    first_ms: float = 250.0
    longest_ms: float = 8_000.0
    jitter: float = 0.5
    renew_after_secs: float = 55 * 60.0

    def wait_ms(self, failed: int, chance: float) -> float:
        """Return how long to wait after so many failed tries; `chance` is between 0 and 1."""
        if failed == 0:
            return 0.0
        whole = min(self.longest_ms, self.first_ms * 2 ** (failed - 1))
        return whole * (1 - self.jitter * chance)


class LinkOwner(Protocol):
    """Who is told of a link's fate."""

    async def endpoint(self) -> Endpoint:
        """Return where to connect."""
        ...

    async def link_up(self) -> None:
        """A connection is there."""
        ...

    def link_message(self, message: bytes) -> Rest:
        """Take a message."""
        ...

    async def link_down(self, closed: Closed) -> None:
        """The connection is gone; another one is on its way."""
        ...

    def link_refused(self, error: ConnectionRefused) -> bool:
        """A try was refused; returns whether another one is to be made at once, since now it would be another one."""
        ...

    async def link_gone(self, error: ConnectionRefused) -> None:
        """There will be no other connection."""
        ...

    async def link_due(self) -> None:
        """The session should be renewed soon."""
        ...


class Link:
    """Owns the connection, the task that replaces it, and the timer that says when to.

    Args:
        owner: Who is told.
        limits: Of each connection.
        reconnect: How a lost one is replaced.
        chance: Returns a number between 0 and 1.
    """

    def __init__(
        self,
        owner: LinkOwner,
        limits: Limits | None = None,
        reconnect: Reconnect | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.is_due = False
        """Whether the session should be renewed in the next quiet moment."""
        self.dropped = 0
        """How many messages of sound found no room, over all connections."""
        self.taps: list[WireTap] = []
        """See all that passes."""
        self.dial: Dial = Connection
        """Makes a connection; a replay puts recorded ones here."""
        self._owner = owner
        self._limits = limits or Limits()
        self._reconnect = reconnect or Reconnect()
        self._chance = chance
        self._connection: Wire | None = None
        self._failed = 0
        self._is_closed = False
        self._replacing: asyncio.Task[None] | None = None
        self._lost_meanwhile: Closed | None = None
        """How the connection ended that was lost while another one was being opened."""
        self._timer: asyncio.TimerHandle | None = None
        """Until the session is settled, when that has taken too long; from there on, when it is due."""
        self._telling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect for the first time. A server that cannot be reached is not waited for: no conversation is lost yet.

        Raises:
            ConnectionRefused: The server refused in a way that another try cannot change, or did so too often.
        """
        self._is_closed = False
        await self._connect_somehow(_HOPELESS_AT_FIRST)
        if self._is_closed:
            # It was closed while the connection was being opened.
            await self._drop()

    def send(self, message: Send) -> None:
        """Send a message; without a connection it is gone, and the session tells again what matters."""
        if self._connection is None:
            return
        if not self._connection.send(message):
            self.dropped += 1
            return
        for tap in self.taps:
            tap("sent", message.message)

    @property
    def is_over(self) -> bool:
        """Whether there will be no connection until it is opened again."""
        return self._is_closed

    @property
    def waiting_bytes(self) -> int:
        """How much has not gone out yet."""
        return 0 if self._connection is None else self._connection.waiting_bytes

    def settled(self, ends_in_secs: float | None) -> None:
        """The session is ready, and will end in so many seconds, if that is known."""
        self._failed = 0
        self.is_due = False
        secs = self._reconnect.renew_after_secs
        if ends_in_secs is not None and ends_in_secs > 0:
            secs = min(secs, ends_in_secs * _SHARE_BEFORE_END)
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(secs, self._due)

    def renew(self) -> None:
        """Replace the connection, which is still good, by a new one."""
        self.is_due = False
        if self._replacing is None and self._reconnect.tries > 0:
            self._replacing = asyncio.create_task(self._renew(), name="renew a realtime session")

    def start_over(self) -> None:
        """Replace the connection by one of another sort at once: what the owner says of where to connect has changed."""
        if self._replacing is None and not self._is_closed:
            self._replacing = asyncio.create_task(self._start_over(), name="connect in another way")

    async def close(self) -> None:
        """End everything. May be called more than once, and from within what the owner is told."""
        self._is_closed = True
        self._stop_timer()
        connection, self._connection = self._connection, None
        tasks, current = (self._replacing, self._telling), asyncio.current_task()
        self._replacing = self._telling = None
        for task in tasks:
            if task is not None and task is not current:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if connection is not None:
            await connection.close()

    async def _connect_somehow(self, hopeless: frozenset[FailureKind]) -> None:
        """Connect, however many tries are left for it."""
        while True:
            try:
                await self._connect()
            except ConnectionRefused as error:
                if self._owner.link_refused(error):
                    continue
                self._failed += 1
                if error.kind in hopeless or self._failed >= max(1, self._reconnect.tries):
                    raise
                logger.warning(f"{one_line(str(error))}; trying again")
                wait_ms = self._reconnect.wait_ms(self._failed, self._chance())
                await asyncio.sleep(max(wait_ms, _told_to_wait_ms(error)) / 1000)
            else:
                return

    async def _connect(self) -> None:
        connection, where = await self._opened()
        self._connection, self._lost_meanwhile = connection, None
        self._tell_taps("opened", where)
        self._expect_settling(connection)
        await self._owner.link_up()

    async def _opened(self) -> tuple[Wire, str]:
        def take(message: bytes) -> Rest:
            if connection is not self._connection:
                return None
            for tap in self.taps:
                tap("received", message)
            return self._owner.link_message(message)

        async def lost(closed: Closed) -> None:
            if connection is self._connection:
                await self._lost(connection, closed)

        endpoint = await self._owner.endpoint()
        connection = self.dial(endpoint, take, lost, self._limits)
        await connection.open()
        return connection, endpoint.shown

    def _tell_taps(self, way: WireWay, text: str) -> None:
        for tap in self.taps:
            tap(way, text.encode())

    async def _lost(self, connection: Wire, closed: Closed) -> None:
        self._connection = None
        self._tell_taps("closed", f"{closed.code} {closed.reason}")
        self._stop_timer()
        await self._owner.link_down(closed)
        if self._replacing is not None:
            self._lost_meanwhile = closed
        elif not self._is_closed:
            self._begin_to_replace(closed)
        await connection.close()

    def _begin_to_replace(self, closed: Closed) -> None:
        self._replacing = asyncio.create_task(self._replace(closed), name="reconnect a realtime session")

    async def _replaced(self) -> None:
        """Take note that the task that opened another connection is at its end, be there one or not."""
        self._replacing = None
        lost, self._lost_meanwhile = self._lost_meanwhile, None
        if self._is_closed:
            await self._drop()
        elif lost is not None:
            self._begin_to_replace(lost)

    async def _replace(self, closed: Closed) -> None:
        try:
            reason = closed.reason or "no reason given"
            if self._failed >= self._reconnect.tries:
                message = f"the server closed the connection (code {closed.code}: {reason})"
                await self._give_up(ConnectionRefused(message, "connection"))
                return
            await asyncio.sleep(self._reconnect.wait_ms(self._failed, self._chance()) / 1000)
            self._failed += 1
            await self._connect_somehow(_HOPELESS)
        except ConnectionRefused as error:
            await self._give_up(error)
        finally:
            await self._replaced()

    async def _start_over(self) -> None:
        try:
            await self._drop()
            await self._owner.link_down(Closed(1000, "renewed"))
            await self._connect_somehow(_HOPELESS_AT_FIRST)
        except ConnectionRefused as error:
            await self._give_up(error)
        finally:
            await self._replaced()

    async def _give_up(self, error: ConnectionRefused) -> None:
        self._is_closed = True
        await self._owner.link_gone(error)

    async def _renew(self) -> None:
        old = self._connection
        try:
            new, where = await self._opened()
            self._connection, self._lost_meanwhile = new, None
            try:
                self._tell_taps("closed", "1000 renewed")
                self._tell_taps("opened", where)
                self._expect_settling(new)
                await self._owner.link_down(Closed(1000, "renewed"))
                await self._owner.link_up()
            finally:
                if old is not None:
                    await old.close()
        except ConnectionRefused as error:
            # The old one is still good; its end will be met as any other.
            logger.warning(f"the session could not be renewed: {one_line(str(error))}")
        finally:
            await self._replaced()

    async def _drop(self) -> None:
        self._stop_timer()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _due(self) -> None:
        self.is_due = True
        self._telling = asyncio.create_task(_awaited(self._owner.link_due()), name="a session is due")

    def _expect_settling(self, connection: Wire) -> None:
        self._stop_timer()
        secs = self._limits.ready_secs
        if secs is not None:
            why = f"the session was not ready within {secs:g} s"
            self._timer = asyncio.get_running_loop().call_later(secs, connection.abandon, why)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _told_to_wait_ms(error: ConnectionRefused) -> float:
    """Return how long the server wants to be left alone."""
    return 1000 * (error.retry_after or 0.0)
