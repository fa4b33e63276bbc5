"""One cell of a carrier's matrix: a telephone call, a fault in one of its phases, and what comes of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pipecat.services.llm_service import FunctionCallParams
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.reliability.carrier_faults import CarrierFault
from tests.reliability.conversation import Watch
from tests.reliability.phases import Phase, reach
from tests.reliability.subjects import OPENAI_GA
from tests.reliability.verdict import LIMIT_SECS, Outcome
from tests.support.calls import calls_served
from tests.support.tones import spoken
from voicepipe.audio.resampler import AudioResampler
from voicepipe.frames import Frame
from voicepipe.local.carriers import CarrierName, LocalCall
from voicepipe.local.proxy import FaultProxy
from voicepipe.pipeline import Pipeline, PipelineWorker, RunResult, run
from voicepipe.transports.telephony import TelephonyTransport

QUESTION, ANSWER = "hello", "How can I help you"
ASKED_AGAIN_AFTER_SECS = 6.0
TOOL_SECS = 1.5


class _Bot:
    """What answers the call."""

    def __init__(self, api: str) -> None:
        self.watch = Watch()
        self.ready = asyncio.Event()
        self.tool_runs = asyncio.Event()
        self.ended = asyncio.Event()
        self.result: RunResult | None = None
        self._running: asyncio.Task[RunResult] | None = None
        self._api = api

    @property
    def has_ended(self) -> bool:
        return self.result is not None

    async def serve(self, websocket: ServerConnection) -> None:
        transport = TelephonyTransport(websocket)
        service = OPENAI_GA.service(self._api, self.weather)
        service.add_event_handler("on_connected", lambda *_: self.ready.set())
        ends = (transport.input(), AudioResampler(), service, self.watch, transport.output())
        worker = PipelineWorker(
            Pipeline([*ends]), enable_rtvi=False, enable_turn_tracking=False, idle_timeout_secs=None
        )
        self._running = asyncio.create_task(run(worker, handle_signals=False))
        await asyncio.wait([self._running])
        self.result = RunResult("cancelled") if self._running.cancelled() else self._running.result()
        self.ended.set()
        self.watch.notify()

    def give_up(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def weather(self, params: FunctionCallParams) -> None:
        self.tool_runs.set()
        await asyncio.sleep(TOOL_SECS)
        await params.result_callback({"temperature": 21, "conditions": "fog"})


class _Line:
    """The call as its phases see it."""

    def __init__(self, bot: _Bot, call: LocalCall, caller: asyncio.TaskGroup) -> None:
        self.ready, self.tool_runs = bot.ready, bot.tool_runs
        self._watch, self._call, self._caller = bot.watch, call, caller

    def begin_to_say(self, text: str) -> None:
        self._caller.create_task(self.say(text), name=f"say {text}")

    async def say(self, text: str) -> None:
        # Who has hung up says nothing more.
        with suppress(ConnectionError):
            await self._call.say(spoken(text))

    async def until_next(self, type_: type[Frame]) -> None:
        await self._watch.until_next(type_)

    async def until_sound(self) -> None:
        await self._watch.until(lambda: self._watch.audio_bytes > 0)


async def carrier_cell(carrier: CarrierName, fault: CarrierFault, phase: Phase) -> Outcome:
    """Have a telephone call meet a fault in a phase."""
    clock = asyncio.get_running_loop().time
    async with OPENAI_GA.serve() as server:
        bot = _Bot(server.url)
        async with (
            calls_served(bot.serve) as port,
            FaultProxy(f"ws://127.0.0.1:{port}/media", harms="server") as proxy,
        ):
            if phase is Phase.CONNECTING:
                await fault.strike(proxy, True)
            begun = clock()
            try:
                async with asyncio.timeout(LIMIT_SECS * 2), LocalCall(proxy.url, carrier) as call:
                    goes_on = await _played(bot, call, proxy, fault, phase)
                    secs = clock() - begun
                    await call.hang_up()
                    await bot.ended.wait()
            except TimeoutError:
                bot.give_up()
                return _outcome(bot, goes_on=False, secs=0.0, also="the call neither went on nor ended")
            return _outcome(bot, goes_on=goes_on, secs=secs)


async def _played(bot: _Bot, call: LocalCall, proxy: FaultProxy, fault: CarrierFault, phase: Phase) -> bool:
    try:
        async with asyncio.TaskGroup() as caller:
            line = _Line(bot, call, caller)
            if phase is Phase.CONNECTING:
                return await _is_answered(bot, line)
            await reach(phase, line)
            if phase is Phase.HANGING_UP:
                await asyncio.gather(fault.strike(proxy, False), call.hang_up())
                await bot.ended.wait()
                return True
            await fault.strike(proxy, False)
            return await _is_answered(bot, line)
    except ConnectionClosed:
        return False


async def _is_answered(bot: _Bot, line: _Line) -> bool:
    """Ask until an answer is heard or the call has ended."""
    watch = bot.watch
    while not bot.has_ended:
        begun, heard = len(watch.frames), watch.audio_bytes
        asking = asyncio.create_task(line.say(QUESTION))

        def answered(begun: int = begun, heard: int = heard) -> bool:
            return ANSWER in watch.text(begun) and watch.audio_bytes > heard

        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(ASKED_AGAIN_AFTER_SECS):
                    await watch.until(lambda answered=answered: answered() or bot.has_ended)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        if answered() and not bot.has_ended:
            return True
    return False


def _outcome(bot: _Bot, *, goes_on: bool, secs: float, also: str = "") -> Outcome:
    wrong = [also] if also else []
    wrong += bot.watch.unbalanced()
    reason = "" if bot.result is None else bot.result.detail or bot.result.reason
    return Outcome(goes_on, reason, secs, tuple(wrong))
