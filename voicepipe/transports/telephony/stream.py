"""One carrier's media stream on one socket: it starts, carries both ways, and ends. It knows nothing of frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from loguru import logger
from websockets.exceptions import ConnectionClosed

from voicepipe.errors import CarrierMessageError, CarrierStreamError
from voicepipe.realtime.backlog import Backlog
from voicepipe.rests import Rest, done, each
from voicepipe.transports.telephony.carriers import recognised
from voicepipe.transports.telephony.events import CarrierEvent, StreamStarted
from voicepipe.transports.telephony.patience import Patience
from voicepipe.transports.telephony.send_queue import SendQueue
from voicepipe.transports.telephony.sockets import DeliveringSocket, MediaSocket, PromptSocket
from voicepipe.transports.telephony.wire import CarrierWire


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How long and how much a stream waits.

    Parameters:
        start_secs: For the carrier's `start`, which comes right after the handshake.
        silent_secs: For the next message; carriers send the caller's sound 50 times a second, silence too, so one that says
            nothing for so long is gone. None waits for ever.
        send_secs: For the socket to take one message; a carrier that reads takes it at once, so then it is dead.
        close_secs: For the other half of a close.
        marks_secs: For marks that are overdue, before the sound is taken for played.
        max_queued_chars: Of messages the socket has not taken: 4 million are six minutes of G.711. Sound beyond is dropped.
    """

    start_secs: float = 10.0
    silent_secs: float | None = 40.0
    send_secs: float = 10.0
    close_secs: float = 2.0
    marks_secs: float = 3.0
    max_queued_chars: int = 4_000_000


class MediaStream:
    """A stream, from its first message to its close.

    Args:
        socket: The socket, accepted.
        wire: The carrier's dialect; None recognises it by the first messages.
        limits: How long and how much to wait.
    """

    def __init__(
        self, socket: MediaSocket, wire: CarrierWire | None = None, limits: StreamLimits | None = None
    ) -> None:
        self.started: StreamStarted | None = None
        """What the carrier said at the start, once it has."""
        self.unreadable = 0
        """How many messages could not be read."""
        self.was_silent = False
        """Whether it ended because nothing came for too long."""
        self.limits = limits or StreamLimits()
        """How long and how much it waits."""
        self._socket = socket
        self._prompt = socket if isinstance(socket, PromptSocket) else None
        self._delivering = socket if isinstance(socket, DeliveringSocket) else None
        self._wire = wire
        self._queue = SendQueue(self.limits.max_queued_chars)
        self._starting = asyncio.Lock()
        self._is_closed = False

    @property
    def wire(self) -> CarrierWire:
        """The carrier's dialect, known once the stream has started.

        Raises:
            CarrierStreamError: It has not.
        """
        if self._wire is None or self.started is None:
            raise CarrierStreamError("the carrier's stream has not started")
        return self._wire

    @property
    def is_open(self) -> bool:
        """Whether it carries: it has started and was not closed from here."""
        return self.started is not None and not self._is_closed

    def backlog(self) -> Backlog:
        """Return what waits for the carrier, and how much sound found no room."""
        return Backlog("carrier", self._queue.waiting_chars, self._queue.dropped)

    async def start(self) -> StreamStarted:
        """Wait for the carrier's `start`, and return it. May be called more than once.

        Raises:
            CarrierStreamError: It did not come in time, cannot be read, or its sound is coded in a way we do not know.
        """
        async with self._starting:
            if self.started is None:
                try:
                    async with asyncio.timeout(self.limits.start_secs):
                        self.started = await self._first()
                except TimeoutError:
                    secs = self.limits.start_secs
                    raise CarrierStreamError(f"the carrier sent no start within {secs:g} s") from None
                except ConnectionClosed:
                    raise CarrierStreamError("the carrier closed the stream before its start") from None
                except CarrierMessageError as error:
                    raise CarrierStreamError(f"the stream's first messages: {error}") from None
            return self.started

    async def _first(self) -> StreamStarted:
        while True:
            message = await self._socket.recv()
            if self._wire is None:
                self._wire = recognised(message)
            if self._wire is not None:
                for event in self._wire.receive(message):
                    if isinstance(event, StreamStarted):
                        return event

    async def carry(self, take: Callable[[CarrierEvent], Rest]) -> None:
        """Give what the carrier says to `take`, until its socket ends or nothing comes for too long.

        A message that cannot be read is passed over and counted.
        """
        wire = self.wire

        def read(message: str | bytes) -> Rest:
            patience.begins()
            try:
                events = wire.receive(message)
            except (CarrierMessageError, CarrierStreamError) as error:
                self._pass_over(error)
                return None
            rest = each(events, take)
            return None if rest is None else partial(patience.rests, rest)

        try:
            async with Patience(self.limits.silent_secs) as patience:
                patience.begins()
                if self._delivering is not None:
                    await self._delivering.deliver(read)
                while True:
                    await done(read(await self._socket.recv()))
        except ConnectionClosed as closed:
            logger.debug(f"the {wire.name} stream has ended: {closed}")
        except TimeoutError:
            self.was_silent = True
            logger.warning(f"nothing came from {wire.name} for {self.limits.silent_secs:g} s")

    def _pass_over(self, error: Exception) -> None:
        self.unreadable += 1
        if self.unreadable == 1:
            logger.warning(f"a message of {self.wire.name} cannot be read: {error}")

    def send(self, *messages: str) -> None:
        """Send messages, without waiting; those that are sent at once go to the socket together."""
        if not self._sent_now(messages):
            for message in messages:
                self._queue.put(message)

    def has_room_for(self, message: str) -> bool:
        """Whether a message of sound may be sent; if too much waits already it is to be dropped, which is counted."""
        has_room = self._queue.has_room_for(message)
        if not has_room and self._queue.dropped == 1:
            logger.warning(f"{self.wire.name} does not keep up, sound is dropped")
        return has_room

    def send_instead(self, message: str) -> None:
        """Send a message ahead of all that waits, which is thrown away."""
        self._queue.clear()
        self.send(message)

    def _sent_now(self, messages: Sequence[str]) -> bool:
        if self._prompt is None or self._is_closed or not self._queue.is_empty:
            return False
        return self._prompt.send_now(*[message.encode() for message in messages])

    async def write(self) -> None:
        """Carry what is sent to the socket, until that ends or takes nothing any more."""
        try:
            async with Patience(self.limits.send_secs) as patience:
                while True:
                    message = await self._queue.next()
                    patience.begins()
                    await self._socket.send(message)
                    patience.ends()
        except ConnectionClosed:
            return
        except TimeoutError:
            logger.warning(f"{self.wire.name} took nothing for {self.limits.send_secs:g} s")
        finally:
            self._queue.close()

    async def until_sent(self) -> None:
        """Wait until the socket has taken all that was sent, or will not take it."""
        await self._queue.until_gone()

    async def close(self) -> None:
        """Close the socket. May be called more than once."""
        if self._is_closed:
            return
        self._is_closed = True
        self._queue.close()
        try:
            async with asyncio.timeout(self.limits.close_secs):
                await self._socket.close()
        except TimeoutError:
            logger.debug("the carrier did not answer the close")
