"""A bot that answers calls on loopback, as an application would set it up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from websockets.asyncio.server import ServerConnection, serve

from tests.support.pipelines import Recorder
from voicepipe.audio.resampler import AudioResampler
from voicepipe.local import LocalServer
from voicepipe.pipeline import Pipeline, PipelineWorker, RunResult, run
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService
from voicepipe.transports.telephony import TelephonyTransport

WITHIN_SECS = 5.0


@dataclass
class Answered:
    """One call as the bot had it."""

    transport: TelephonyTransport
    worker: PipelineWorker
    up: Recorder
    """What went upstream from the transport's output."""
    down: Recorder
    """What reached the transport's output."""
    events: list[str] = field(default_factory=list)
    result: RunResult | None = None


@dataclass
class Phone:
    """Where calls are answered."""

    url: str
    calls: list[Answered]
    _ended: asyncio.Condition

    running: int = 0

    async def all_ended(self) -> None:
        """Wait for all calls to be over on the bot's side."""
        async with self._ended:
            await self._ended.wait_for(lambda: self.running == 0)

    async def ended(self) -> Answered:
        """Wait for the last call to be over on the bot's side, and return it."""
        async with self._ended:
            await self._ended.wait_for(lambda: bool(self.calls) and self.calls[-1].result is not None)
        return self.calls[-1]


class HardOfHearing:
    """A socket on which some of the carrier's messages get lost."""

    def __init__(self, websocket: ServerConnection, hears: Callable[[dict[str, Any]], bool]) -> None:
        self._websocket = websocket
        self._hears = hears
        self.send, self.close = websocket.send, websocket.close

    async def recv(self) -> str | bytes:
        while True:
            message = await self._websocket.recv()
            if self._hears(json.loads(message)):
                return message


def service(server: LocalServer, **kwargs: Any) -> list[FrameProcessor]:
    """The middle of a telephone bot's pipeline."""
    return [AudioResampler(), OpenAIRealtimeLLMService(api_key="k", base_url=server.url, **kwargs)]


@asynccontextmanager
async def answering(
    middle: Callable[[], Sequence[FrameProcessor]],
    *,
    on_call: Callable[[Answered], Awaitable[None]] | None = None,
    hears: Callable[[dict[str, Any]], bool] | None = None,
    keeps: bool = True,
    **transport_kwargs: Any,
) -> AsyncIterator[Phone]:
    """Answer calls with a pipeline of `middle` between a telephony transport's ends.

    With `hears`, only those messages of the carrier arrive of which it says so. Unless it `keeps`, a call is forgotten when
    it is over, and its frames are not kept at all.
    """

    async def serve_call(websocket: ServerConnection) -> None:
        socket = HardOfHearing(websocket, hears) if hears else websocket
        transport = TelephonyTransport(socket, **transport_kwargs)
        up, down = Recorder(keep=FrameDirection.UPSTREAM), Recorder(keep=FrameDirection.DOWNSTREAM)
        between = [up, down] if keeps else []
        pipeline = Pipeline([transport.input(), *middle(), *between, transport.output()])
        worker = PipelineWorker(pipeline, enable_rtvi=False)
        call = Answered(transport, worker, up, down)
        for name in ("on_client_connected", "on_client_disconnected"):
            transport.add_event_handler(name, lambda *_, name=name: call.events.append(name))
        phone.running += 1
        if keeps:
            phone.calls.append(call)

        async def started(_worker: PipelineWorker) -> None:
            if on_call is not None:
                await on_call(call)

        result = await run(worker, handle_signals=False, on_started=started)
        async with phone._ended:
            call.result = result
            phone.running -= 1
            phone._ended.notify_all()

    async with calls_served(serve_call) as port:
        phone = Phone(f"ws://127.0.0.1:{port}/media", [], asyncio.Condition())
        yield phone


@asynccontextmanager
async def calls_served(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[int]:
    """Serve on a free port until left; calls that still run are waited for."""
    server = await serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
