"""Lets a session, which does no I/O, run on a socket: wishes are granted, the pace is kept.

All time is the event loop's, so that with speech that does not block (tones) it runs on a virtual clock.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import numpy as np
from loguru import logger
from websockets.asyncio.server import ServerConnection

from voicepipe.audio.resampler import StreamResampler
from voicepipe.errors import VoicepipeError
from voicepipe.local.brain import Brain
from voicepipe.local.faults import FaultPlan
from voicepipe.local.line import Line, OnEvent
from voicepipe.local.pace import Pace, Pacer
from voicepipe.local.speech.engines import SpeechEngine
from voicepipe.local.wishes import RATE, Event, Hear

_T = TypeVar("_T")


@dataclass(slots=True)
class Backstage:
    """What the sessions of a server share.

    Parameters:
        speech: Ears, voice and voice activity.
        brain: What answers.
        pace: How sound goes out.
        faults: What goes wrong.
        on_event: Sees every event.
        threads: Where ears and voice work that take long; None is the event loop's thread.
    """

    speech: SpeechEngine
    brain: Brain
    pace: Pace
    faults: FaultPlan
    on_event: OnEvent | None
    threads: Executor | None = None


class Driven(Protocol):
    """What a driver needs of a session of any wire, whose events, wishes and answers only the wire knows."""

    @property
    def wakes_at_ms(self) -> float | None:
        """When `wake` wants to be called; it may change with every call."""
        ...

    def open(self, now_ms: float, /) -> list[Any]:
        """Begin."""
        ...

    def receive(self, message: str | bytes, now_ms: float, /) -> list[Any]:
        """Take a client's message."""
        ...

    def heard(self, key: str, text: str | None, now_ms: float, /) -> list[Any]:
        """Take the words found in what was to be heard; None if the ears failed."""
        ...

    def advance(self, answer: Any, ms: int, now_ms: float, /) -> list[Any]:
        """Return the events of an answer's next sound."""
        ...

    def wake(self, now_ms: float, /) -> list[Any]:
        """Take that it is `now_ms`."""
        ...

    def error(self, code: str | None, message: str, /) -> Event:
        """Return an `error` event that no message of the client is the cause of."""
        ...


class Answering(Protocol):
    """An answer on its way out."""

    @property
    def has_more(self) -> bool:
        """Whether something that was handed over has not gone out yet."""
        ...


_Session = TypeVar("_Session", bound=Driven)


class _OverError(Exception):
    """The session is over; what it had under way is cancelled."""


class Driver(ABC, Generic[_Session]):
    """Drives one session; what its wire alone wishes for is granted by the wire's driver.

    Args:
        session: The protocol.
        connection: The socket.
        stage: What all sessions share.
    """

    UNKNOWN: ClassVar[Event]
    """An event of a type that nobody knows."""

    def __init__(self, session: _Session, connection: ServerConnection, stage: Backstage) -> None:
        self._session = session
        self._stage = stage
        self._line = Line(connection, stage.faults, stage.on_event, self.UNKNOWN, session.error)
        self._answers: dict[str, asyncio.Task[None]] = {}
        self._listens = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until either side ends the session; nothing of it is left then."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._start(self._line.send(), "send")
                try:
                    self._handle(self._session.open(self._now_ms))
                    await self._until_over()
                finally:
                    # A task must not be started while the others are being ended.
                    self._stop_alarm()
                raise _OverError
        except* _OverError:
            pass

    async def _until_over(self) -> None:
        async with aclosing(self._line.messages()) as messages:
            async for message in messages:
                self._handle(self._session.receive(message, self._now_ms))
                await self._line.room()

    def _handle(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            if isinstance(output, dict):
                self._line.put(cast("Event", output))
            elif isinstance(output, Hear):
                self._start(self._hear(output), "hear")
            else:
                self._grant(output)
        self._set_alarm()

    @abstractmethod
    def _grant(self, wish: Any) -> None:
        """Begin to grant a wish of the wire."""

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._tasks.create_task(work, name=f"local server: {name}")

    # Ears.

    async def _hear(self, wish: Hear) -> None:
        text: str | None = None
        # One after the other, so that utterances are understood in their order.
        async with self._listens:
            try:
                text = await self._in_its_place(lambda: self._stage.speech.ears.listen(wish.pcm, RATE))
            except VoicepipeError as error:
                logger.warning(f"the ears failed: {error}")
        self._handle(self._session.heard(wish.key, text, self._now_ms))

    async def _in_its_place(self, work: Callable[[], _T]) -> _T:
        """Do work of ears or voice on a thread if it takes long, else here and now."""
        if self._stage.threads is None:
            return work()
        return await self._loop.run_in_executor(self._stage.threads, work)

    # Answers.

    def _begin(self, id_: str, work: Callable[[Pacer], Coroutine[Any, Any, None]]) -> None:
        """Have an answer made, at its pace."""

        async def answer() -> None:
            pacer = Pacer(self._stage.pace)
            await pacer.first()
            await work(pacer)

        self._answers[id_] = task = self._start(answer(), "answer")
        task.add_done_callback(lambda _: self._answers.pop(id_, None))

    def _stop(self, id_: str) -> None:
        task = self._answers.pop(id_, None)
        # One that reports to the session cannot be cancelled by what it reported; it ends by itself.
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _spoken(self, text: str, sample_rate: int) -> bytes:
        """Return the sound of words, s16le mono at `sample_rate` hertz."""
        voice = self._stage.speech.voice

        def speak() -> bytes:
            sound = np.concatenate([np.empty(0, np.int16), *voice.speak(text)]).tobytes()
            resampler = StreamResampler(voice.sample_rate, sample_rate)
            return resampler.process(sound) + resampler.flush()

        return await self._in_its_place(speak)

    async def _let_out(self, answer: Answering, pacer: Pacer) -> None:
        while answer.has_more:
            await pacer.next()
            await self._line.room()
            self._handle(self._session.advance(answer, self._stage.pace.delta_ms, self._now_ms))

    # Time.

    @property
    def _now_ms(self) -> float:
        return self._loop.time() * 1000

    def _set_alarm(self) -> None:
        self._stop_alarm()
        if self._session.wakes_at_ms is not None:
            self._alarm = self._loop.call_at(self._session.wakes_at_ms / 1000, self._wake)

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _wake(self) -> None:
        # Timers of a loop may fire a moment early, by as much as its clock's resolution.
        self._handle(self._session.wake(max(self._now_ms, self._session.wakes_at_ms or 0.0)))
