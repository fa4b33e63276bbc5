"""Who hears of a call: the contract of an observer, and hooks, which are an observer made of functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from loguru import logger
from pipecat.metrics.metrics import MetricsData

from voicepipe.phone.results import CallResult, MachineDetection, ToolUse, Turn
from voicepipe.plain_words import one_line

if TYPE_CHECKING:
    from voicepipe.phone.call import Call

_MOST_WAITING: Final = 1000
_LAST_SECS: Final = 30.0
"""How long observers may take after the end of a call."""


class PhoneObserver(Protocol):
    """Hears what happens in calls: for records, costs and dashboards. Its methods may take their time; they run in order."""

    async def call_started(self, call: Call) -> None:
        """The media stream of a call runs."""
        ...

    async def call_ended(self, call: Call, result: CallResult) -> None:
        """A call is over; also one that nobody answered."""
        ...

    async def turn(self, call: Call, turn: Turn) -> None:
        """Somebody said something, or pressed keys."""
        ...

    async def tool(self, call: Call, use: ToolUse) -> None:
        """A function gave its result."""
        ...

    async def usage(self, call: Call, metrics: MetricsData) -> None:
        """A service reported tokens, characters or latencies."""
        ...

    async def machine(self, call: Call, detection: MachineDetection) -> None:
        """The carrier said who picked up."""
        ...

    async def error(self, call: Call, message: str) -> None:
        """Something went wrong; the call goes on if it can."""
        ...


Hook: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class CallHooks:
    """Functions of the application, `async` or not; each gets the call first.

    Parameters:
        on_call_start: `(call)`.
        on_call_end: `(call, result)`.
        on_transcript: `(call, turn)`.
        on_tool: `(call, use)`.
        on_usage: `(call, metrics)`.
        on_machine_detection: `(call, detection)`.
        on_error: `(call, message)`.
    """

    on_call_start: Hook | None = None
    on_call_end: Hook | None = None
    on_transcript: Hook | None = None
    on_tool: Hook | None = None
    on_usage: Hook | None = None
    on_machine_detection: Hook | None = None
    on_error: Hook | None = None

    async def call_started(self, call: Call) -> None:
        """See `PhoneObserver`."""
        await _called(self.on_call_start, call)

    async def call_ended(self, call: Call, result: CallResult) -> None:
        """See `PhoneObserver`."""
        await _called(self.on_call_end, call, result)

    async def turn(self, call: Call, turn: Turn) -> None:
        """See `PhoneObserver`."""
        await _called(self.on_transcript, call, turn)

    async def tool(self, call: Call, use: ToolUse) -> None:
        """See `PhoneObserver`."""
        await _called(self.on_tool, call, use)

    async def usage(self, call: Call, metrics: MetricsData) -> None:
        """See `PhoneObserver`."""
        await _called(self.on_usage, call, metrics)

    async def machine(self, call: Call, detection: MachineDetection) -> None:
        """See `PhoneObserver`."""
        await _called(self.on_machine_detection, call, detection)

    async def error(self, call: Call, message: str) -> None:
        """See `PhoneObserver`."""
        await _called(self.on_error, call, message)


async def _called(hook: Hook | None, *values: Any) -> None:
    if hook is None:
        return
    result = hook(*values)
    if inspect.isawaitable(result):
        await result


Telling: TypeAlias = Callable[[PhoneObserver], Awaitable[None]]


class Audience:
    """Tells observers of one call, one thing after the other, so that the call itself waits for none of them.

    Args:
        observers: Who is told. One that fails is logged, and told of the next thing all the same.
    """

    def __init__(self, observers: Sequence[PhoneObserver]) -> None:
        self.dropped = 0
        """How much was not told because an observer did not keep up."""
        self._observers = tuple(observers)
        self._queue: asyncio.Queue[Telling | None] = asyncio.Queue(_MOST_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def tell(self, telling: Telling) -> None:
        """Tell something as soon as all before it was told; nothing after the end, which was the last word."""
        if not self._observers or self._is_closed:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="phone: observers")
        if self._queue.full():
            self.dropped += 1
            if self.dropped == 1:
                logger.warning("observers of a call do not keep up, what happens is dropped")
            return
        self._queue.put_nowait(telling)

    async def close(self) -> None:
        """Wait until all was told, or for half a minute."""
        self._is_closed = True
        task, self._task = self._task, None
        if task is None:
            return
        try:
            async with asyncio.timeout(_LAST_SECS):
                await self._queue.put(None)
                await asyncio.shield(task)
        except TimeoutError:
            logger.warning("observers of a call do not come to an end, the rest is dropped")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while (telling := await self._queue.get()) is not None:
            tellings = [_told(telling, observer) for observer in self._observers]
            for outcome in await asyncio.gather(*tellings, return_exceptions=True):
                if isinstance(outcome, Exception):
                    logger.error(
                        f"an observer of a call failed: {type(outcome).__name__}: {one_line(str(outcome))}"
                    )


async def _told(telling: Telling, observer: PhoneObserver) -> None:
    # Here, so that an observer which lacks a method, or has one that is not async, is the only one that fails.
    await telling(observer)
