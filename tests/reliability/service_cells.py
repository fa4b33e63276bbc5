"""One cell of a service's matrix: a call, a fault in one of its phases, and what comes of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pipecat.services.llm_service import FunctionCallParams

from tests.reliability.conversation import Conversation, conversation
from tests.reliability.phases import Phase, reach
from tests.reliability.service_faults import Scene, ServiceFault
from tests.reliability.subjects import Subject
from tests.reliability.verdict import LIMIT_SECS, Outcome
from voicepipe.frames import Frame
from voicepipe.local.proxy import FaultProxy
from voicepipe.realtime.connection import Endpoint
from voicepipe.realtime.service import RealtimeService

QUESTION, ANSWER = "hello", "How can I help you"
ASKED_AGAIN_AFTER_SECS = 6.0
TOOL_SECS = 1.5


class _Endpoints:
    """Turns a service's address into one for TLS, which nobody speaks there."""

    def __init__(self, service: RealtimeService) -> None:
        self.tls = False
        self._endpoint = service.endpoint
        service.endpoint = self._switched  # type: ignore[method-assign]

    async def _switched(self) -> Endpoint:
        endpoint = await self._endpoint()
        url = endpoint.url.replace("ws://", "wss://") if self.tls else endpoint.url
        return Endpoint(url, endpoint.headers, None)


class _Line:
    """The call as its phases see it."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.tool_runs = asyncio.Event()
        self.call: Conversation

    def begin_to_say(self, text: str) -> None:
        self.call.begin_to_say(text)

    async def say(self, text: str) -> None:
        await self.call.say(text)

    async def until_next(self, type_: type[Frame]) -> None:
        await self.call.watch.until_next(type_)

    async def until_sound(self) -> None:
        await self.call.watch.until(lambda: self.call.watch.audio_bytes > 0)

    async def weather(self, params: FunctionCallParams) -> None:
        self.tool_runs.set()
        await asyncio.sleep(TOOL_SECS)
        await params.result_callback({"temperature": 21, "conditions": "fog"})


async def service_cell(subject: Subject, fault: ServiceFault, phase: Phase) -> Outcome:
    """Have a call meet a fault in a phase."""
    line = _Line()
    async with subject.serve() as server, FaultProxy(server.url) as proxy:
        service = subject.service(proxy.url, line.weather)
        scene = Scene(proxy, _Endpoints(service), phase)
        for event in ("on_connected", "on_resumed"):
            service.add_event_handler(event, lambda *_: line.ready.set())
        if phase is Phase.CONNECTING:
            await fault.strike(scene)
        async with conversation([service], sample_rate=subject.sample_rate) as line.call:
            return await _played(line, scene, fault)


async def _played(line: _Line, scene: Scene, fault: ServiceFault) -> Outcome:
    call, clock = line.call, asyncio.get_running_loop().time
    struck = 0.0
    try:
        async with asyncio.timeout(LIMIT_SECS * 2):
            await reach(scene.phase, line)
            struck = clock()
            if scene.phase is Phase.HANGING_UP:
                await asyncio.gather(fault.strike(scene), call.hang_up())
                await call.watch.until(lambda: call.has_ended)
                return _outcome(call, goes_on=True, secs=clock() - struck)
            if scene.phase is not Phase.CONNECTING:
                await fault.strike(scene)
            goes_on = await _is_answered(call)
            secs = clock() - struck
            if goes_on:
                await call.hang_up()
            await call.watch.until(lambda: call.has_ended)
    except TimeoutError:
        return _outcome(call, goes_on=False, secs=clock() - struck, also="the call neither went on nor ended")
    return _outcome(call, goes_on=goes_on, secs=secs)


async def _is_answered(call: Conversation) -> bool:
    """Ask until an answer is heard or the call has ended."""
    while not call.has_ended:
        begun, heard = len(call.watch.frames), call.watch.audio_bytes
        await call.say(QUESTION)

        def answered(begun: int = begun, heard: int = heard) -> bool:
            return ANSWER in call.watch.text(begun) and call.watch.audio_bytes > heard

        with suppress(TimeoutError):
            async with asyncio.timeout(ASKED_AGAIN_AFTER_SECS):
                await call.watch.until(lambda answered=answered: answered() or call.has_ended)
        if answered() and not call.has_ended:
            return True
    return False


def _outcome(call: Conversation, *, goes_on: bool, secs: float, also: str = "") -> Outcome:
    wrong = [also] if also else []
    wrong += call.watch.unbalanced()
    result = call.result
    reason = "" if result is None else result.detail or result.reason
    if goes_on and result is not None and result.reason != "ended":
        goes_on = False
    return Outcome(goes_on, reason, secs, tuple(wrong))
