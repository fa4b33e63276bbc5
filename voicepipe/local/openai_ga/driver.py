"""Lets one session run on a socket: its wishes are granted, its events carried, its pace kept, its faults made.

All time is the event loop's, so that with speech that does not block (tones) it runs on a virtual clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

import numpy as np
import orjson
from loguru import logger
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from voicepipe.audio.resampler import StreamResampler
from voicepipe.errors import VoicepipeError
from voicepipe.local.brain import Brain, Call
from voicepipe.local.openai_ga.events import Event
from voicepipe.local.openai_ga.faults import Fault, FaultPlan
from voicepipe.local.openai_ga.formats import RATE
from voicepipe.local.openai_ga.outbox import Outbox
from voicepipe.local.openai_ga.pace import Pace, Pacer
from voicepipe.local.openai_ga.response import Response
from voicepipe.local.openai_ga.served import ServedSession
from voicepipe.local.openai_ga.wishes import Answer, Hear, Out, StopAnswer
from voicepipe.local.speech.engines import SpeechEngine

Way: TypeAlias = Literal["in", "out"]
OnEvent: TypeAlias = Callable[[Way, Mapping[str, Any]], None]
"""Called with every event: "in" from the client, "out" to it."""
_T = TypeVar("_T")

_LAST_WORDS_SECS: Final = 5.0
"""How long a client that does not read keeps a session that has expired."""


@dataclass(frozen=True, slots=True)
class Backstage:
    """What the sessions of a server share.

    Parameters:
        speech: Ears, voice and voice activity.
        brain: What answers.
        pace: How sound goes out.
        faults: What goes wrong.
        session_secs: The longest a session may last.
        on_event: Sees every event.
        threads: Where ears and voice work that take long; None is the event loop's thread.
    """

    speech: SpeechEngine
    brain: Brain
    pace: Pace
    faults: FaultPlan
    session_secs: float
    on_event: OnEvent | None
    threads: Executor | None


class _OverError(Exception):
    """The session is over; what it had under way is cancelled."""


class SessionDriver:
    """Drives one session.

    Args:
        session: The protocol.
        connection: The socket.
        backstage: What all sessions share.
    """

    def __init__(self, session: ServedSession, connection: ServerConnection, backstage: Backstage) -> None:
        self._session = session
        self._connection = connection
        self._stage = backstage
        self._outbox = Outbox()
        self._answers: dict[str, asyncio.Task[None]] = {}
        self._listens = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        self._held: Event | None = None

    async def run(self) -> None:
        """Serve until the client leaves or the session's time is over; nothing of it is left then."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._start(self._send(), "send")
                self._handle(self._session.open())
                await self._until_over()
                raise _OverError
        except* _OverError:
            pass

    async def _until_over(self) -> None:
        try:
            async with asyncio.timeout(self._stage.session_secs):
                await self._receive()
        except TimeoutError:
            await self._expire()
        except ConnectionClosed:
            logger.debug("a client of the local server left without a close frame")
        finally:
            # A task must not be started while the others are being ended.
            if self._alarm is not None:
                self._alarm.cancel()

    async def _receive(self) -> None:
        async for message in self._connection:
            for _ in range(await self._faulty_times(message)):
                self._handle(self._session.receive(message, self._now_ms))
            await self._outbox.room()

    async def _faulty_times(self, message: str | bytes) -> int:
        """Watch a client's message, let go wrong what is due at it, and return how often it is to be taken."""
        event = _readable(message)
        self._watch("in", event)
        due = self._stage.faults.due(str(event.get("type")))
        if await self._broken_off(due):
            return 0
        for fault in due:
            await self._follow(fault)
        deeds = [fault.do for fault in due]
        return 0 if "omit" in deeds else 2 if "duplicate" in deeds else 1

    async def _expire(self) -> None:
        minutes = round(self._stage.session_secs / 60)
        message = f"Your session hit the maximum duration of {minutes} minutes."
        self._handle([self._session.error("session_expired", message)])
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECS):
                await self._outbox.empty()
        await self._connection.close(1001, message)

    # Events for the client.

    def _handle(self, outputs: Iterable[Out]) -> None:
        for output in outputs:
            if isinstance(output, Hear):
                self._start(self._hear(output), "hear")
            elif isinstance(output, Answer):
                self._answers[output.response.id] = self._start(self._answer(output), "answer")
            elif isinstance(output, StopAnswer):
                task = self._answers.pop(output.response_id, None)
                if task is not None:
                    task.cancel()
            else:
                self._outbox.put(output)
        self._set_alarm()

    async def _send(self) -> None:
        try:
            while True:
                event = await self._outbox.get()
                try:
                    await self._send_with_faults(event)
                finally:
                    self._outbox.sent()
        except ConnectionClosed:
            return
        finally:
            # A client that is gone must be found out by those who wait until it has read.
            self._outbox.close()

    async def _send_with_faults(self, event: Event) -> None:
        due = self._stage.faults.due(event["type"])
        if await self._broken_off(due):
            return
        deeds = [fault.do for fault in due]
        if "reorder" in deeds:
            self._held = event
            return
        for _ in range(0 if "omit" in deeds else 2 if "duplicate" in deeds else 1):
            await self._transmit(event)
        held, self._held = self._held, None
        if held is not None:
            await self._transmit(held)
        for fault in due:
            await self._follow(fault)

    async def _broken_off(self, due: list[Fault]) -> bool:
        """Wait as long as faults want it; return whether one of them ended the connection."""
        for fault in due:
            if fault.do == "delay":
                await asyncio.sleep(fault.delay_ms / 1000)
            elif fault.do == "drop":
                self._connection.transport.abort()
                return True
            elif fault.do == "close":
                await self._connection.close(fault.close_code, fault.reason)
                return True
        return False

    async def _follow(self, fault: Fault) -> None:
        """Send what a fault puts behind an event."""
        if fault.do == "malformed":
            await self._connection.send('{"type": "response.output_audio.delta", "delta": ')
        elif fault.do == "unknown":
            await self._transmit({"type": "voicepipe.unknown", "event_id": "event_of_no_known_type"})
        elif fault.do == "error":
            kind = "invalid_request_error" if fault.code else "server_error"
            await self._transmit(self._session.error(fault.code, fault.message, kind))

    async def _transmit(self, event: Event) -> None:
        self._watch("out", event)
        await self._connection.send(orjson.dumps(event).decode())

    def _watch(self, way: Way, event: Event) -> None:
        if self._stage.on_event is not None:
            self._stage.on_event(way, event)

    # Wishes.

    async def _hear(self, wish: Hear) -> None:
        text: str | None = None
        # One after the other, so that utterances are understood in their order.
        async with self._listens:
            try:
                text = await self._in_its_place(lambda: self._stage.speech.ears.listen(wish.pcm, RATE))
            except VoicepipeError as error:
                logger.warning(f"the ears failed: {error}")
        self._handle(self._session.heard(wish.key, text, self._now_ms))

    async def _answer(self, wish: Answer) -> None:
        response, pacer = wish.response, Pacer(self._stage.pace)
        await pacer.first()
        try:
            async with aclosing(self._stage.brain.reply(wish.conversation)) as parts:
                async for part in parts:
                    if isinstance(part, Call):
                        self._handle(self._session.call(response, part))
                    else:
                        await self._say(response, part.text, pacer)
                    if response.is_over:
                        break
        except VoicepipeError as error:
            logger.warning(f"the brain failed: {error}")
            self._handle(self._session.fail(response, str(error), self._now_ms))
        if not response.is_over:
            self._handle(self._session.finish(response, self._now_ms))
        self._answers.pop(response.id, None)

    async def _say(self, response: Response, text: str, pacer: Pacer) -> None:
        pcm = await self._in_its_place(lambda: self._spoken(text)) if response.speaks else b""
        self._session.say(response, text, pcm)
        while response.has_more:
            await pacer.next()
            await self._outbox.room()
            self._handle(self._session.advance(response, self._stage.pace.delta_ms, self._now_ms))

    def _spoken(self, text: str) -> bytes:
        voice = self._stage.speech.voice
        sound = np.concatenate([np.empty(0, np.int16), *voice.speak(text)]).tobytes()
        resampler = StreamResampler(voice.sample_rate, RATE)
        return resampler.process(sound) + resampler.flush()

    async def _in_its_place(self, work: Callable[[], _T]) -> _T:
        """Do work of ears or voice on a thread if it takes long, else here and now."""
        if self._stage.threads is None:
            return work()
        return await self._loop.run_in_executor(self._stage.threads, work)

    # Time.

    @property
    def _now_ms(self) -> float:
        return self._loop.time() * 1000

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._session.wakes_at_ms is not None:
            self._alarm = self._loop.call_at(self._session.wakes_at_ms / 1000, self._wake)

    def _wake(self) -> None:
        # Timers of a loop may fire a moment early, by as much as its clock's resolution.
        self._handle(self._session.wake(max(self._now_ms, self._session.wakes_at_ms or 0.0)))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._tasks.create_task(work, name=f"local server: {name}")


def _readable(message: str | bytes) -> Event:
    """Return a client's message as an event to look at, whatever it is."""
    try:
        event: Any = orjson.loads(message)
    except orjson.JSONDecodeError:
        event = None
    return cast("Event", event) if isinstance(event, dict) else {"type": "unreadable"}
