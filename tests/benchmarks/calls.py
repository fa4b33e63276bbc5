"""P-10: how late sound is on its way through a phone that has one call, half as many as it takes on, all, and twice as many.

The phone is a process of its own; the carrier's callers and the API are scripts in this one, in real time. On each call both
sides send sound all the time, with a click now and then:

- in: from when the carrier's frame with a click is sent to when the API has the `input_audio_buffer.append` with it;
- out: from when the delta with a click is sent to when the carrier has the media message with it;
- itself: how late the timers of this process are, which is part of both.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
from loguru import logger
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.support.phones import FakeCarrier, Stream
from voicepipe.audio.g711 import ulaw_decode, ulaw_encode
from voicepipe.local.carriers import TwilioDialect
from voicepipe.phone import PhoneLimits

SECS = 15
FRAME_MS = 20
DELTA_MS = 100
FRAMES_A_CLICK = 10
DELTAS_A_CLICK = 3
_LOUD = 3000
_ROOT = Path(__file__).parents[2]
_event_numbers = count(1)
_BOT = """
import asyncio, json, sys, time
from loguru import logger
from tests.support.phones import SECRET
from voicepipe.phone import OpenAIRealtime, Phone, PhoneLimits, Twilio

async def main():
    carrier = Twilio(account_sid="AC" + "0" * 32, auth_token=SECRET, api_url="http://127.0.0.1:9")
    phone = Phone(carrier=carrier)

    def agent(caller):
        return phone.agent(engine=OpenAIRealtime(api_key="k", base_url=sys.argv[1]), system_prompt=caller.caller)

    async with phone.serving(agent, port=0, limits=PhoneLimits(calls=int(sys.argv[2]))) as door:
        print(door.local_url, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(time.process_time(), flush=True)

logger.remove()
asyncio.run(main())
"""


@dataclass
class Way:
    """Sound of one call one way: when each click of it went, and when each came."""

    went_ms: list[float] = field(default_factory=list[float])
    came_ms: list[float] = field(default_factory=list[float])

    @property
    def late_ms(self) -> list[float]:
        """How long each click was on its way; the last ones may still be."""
        return [came - went for went, came in zip(self.went_ms, self.came_ms, strict=False)]


@dataclass
class OneCall:
    """What is measured of one call."""

    caller: str
    way_in: Way = field(default_factory=Way)
    way_out: Way = field(default_factory=Way)
    timers_ms: list[float] = field(default_factory=list[float])
    has_session: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Measured:
    """What came of one number of calls.

    Parameters:
        calls: How many there were.
        in_ms: How long clicks of the callers were on their way.
        out_ms: How long those of the API were.
        timers_ms: How late the timers of this process were.
        lost: Clicks that went and never came.
        cpu: The phone's share of one processor, from 0 on.
    """

    calls: int
    in_ms: list[float]
    out_ms: list[float]
    timers_ms: list[float]
    lost: int
    cpu: float


def _now_ms() -> float:
    return asyncio.get_running_loop().time() * 1000


def _has_click(pcm: npt.NDArray[np.int16]) -> bool:
    return bool(len(pcm)) and int(np.abs(pcm.astype(int)).max()) > _LOUD


def _sound(samples: int, *, click: bool) -> npt.NDArray[np.int16]:
    pcm = np.zeros(samples, np.int16)
    if click:
        pcm[samples // 2] = 30000
    return pcm


async def _every(interval_ms: float, times: int, call: OneCall):
    """Yield numbers on absolute time, and note how late the timer was."""
    next_ms = _now_ms()
    for number in range(1, times + 1):
        next_ms += interval_ms
        await asyncio.sleep(max(0.0, (next_ms - _now_ms()) / 1000))
        call.timers_ms.append(_now_ms() - next_ms)
        yield number


class Api:
    """The GA wire, as far as it is needed; which call a session is of, its instructions say."""

    def __init__(self, calls: dict[str, OneCall]) -> None:
        self._calls = calls

    async def session(self, socket: ServerConnection) -> None:
        """Serve one."""
        await _say(socket, "session.created", session={"id": "sess_1"})
        call: OneCall | None = None
        speaking: asyncio.Task[None] | None = None
        try:
            async for message in socket:
                event = json.loads(message)
                if event["type"] == "session.update":
                    await _say(socket, "session.updated", session=event["session"])
                    if call is None:
                        call = self._calls[event["session"]["instructions"]]
                        speaking = asyncio.create_task(self._speak(socket, call))
                        call.has_session.set()
                elif event["type"] == "input_audio_buffer.append":
                    sound = np.frombuffer(b64decode(event["audio"]), np.int16)
                    if call is not None and _has_click(sound):
                        call.way_in.came_ms.append(_now_ms())
        finally:
            if speaking is not None:
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(self, socket: ServerConnection, call: OneCall) -> None:
        await _say(socket, "response.created", response={"id": "resp_0", "conversation_id": "conv_1"})
        ids = {"response_id": "resp_0", "item_id": "item_0", "output_index": 0, "content_index": 0}
        async for number in _every(DELTA_MS, SECS * 1000 // DELTA_MS, call):
            click = number % DELTAS_A_CLICK == 0
            delta = b64encode(_sound(24 * DELTA_MS, click=click).tobytes()).decode()
            if click:
                call.way_out.went_ms.append(_now_ms())
            await _say(socket, "response.output_audio.delta", **ids, delta=delta)
        done = {"id": "resp_0", "status": "completed", "output": []}
        await _say(socket, "response.done", response=done)


async def _say(socket: ServerConnection, type_: str, **fields: object) -> None:
    await socket.send(json.dumps({"type": type_, "event_id": f"event_{next(_event_numbers)}", **fields}))


async def _caller(stream: Stream, call_id: str, number: int, call: OneCall) -> None:
    dialect = TwilioDialect(number, call_id)
    async with connect(stream.url, compression=None) as socket:

        async def listen() -> None:
            async for message in socket:
                event = json.loads(message)
                if event["event"] == "media":
                    sound = ulaw_decode(b64decode(event["media"]["payload"]))
                    if _has_click(np.frombuffer(sound, np.int16)):
                        call.way_out.came_ms.append(_now_ms())
                elif event["event"] == "mark":
                    await socket.send(dialect.played(event["mark"]["name"]))

        for message in dialect.opening(stream.parameters, both_tracks=False):
            await socket.send(message)
        listening = asyncio.create_task(listen())
        try:
            await call.has_session.wait()
            # Callers are not in step with one another.
            await asyncio.sleep(FRAME_MS / 1000 * (number % 7) / 7)
            async for frame in _every(FRAME_MS, SECS * 1000 // FRAME_MS, call):
                click = frame % FRAMES_A_CLICK == 0
                sound = ulaw_encode(_sound(8 * FRAME_MS, click=click).tobytes())
                if click:
                    call.way_in.went_ms.append(_now_ms())
                await socket.send(dialect.media(sound, frame, frame * FRAME_MS))
            await asyncio.sleep(0.5)
            for message in dialect.stop():
                await socket.send(message)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def measure(calls: int) -> Measured:
    """Have so many calls at once."""
    ours = {f"+1555{number:07}": OneCall(f"+1555{number:07}") for number in range(1, calls + 1)}
    async with FakeCarrier("twilio") as far, await serve(Api(ours).session, "127.0.0.1", 0) as api:
        url = f"ws://127.0.0.1:{api.sockets[0].getsockname()[1]}/v1/realtime"
        bot = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", _BOT, url, str(calls)),
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert bot.stdin is not None
        assert bot.stdout is not None

        async def asked() -> str:
            return (await bot.stdout.readline()).decode().strip()

        async def cpu_secs() -> float:
            bot.stdin.write(b"\n")
            return float(await asked())

        phone_url = await asked()
        rung = [await far.ring(phone_url, caller=call.caller) for call in ours.values()]
        before_secs, began_ms = await cpu_secs(), _now_ms()
        pairs = zip(rung, ours.values(), strict=True)
        talking = [
            _caller(stream, call_id, number, call)
            for number, ((call_id, stream), call) in enumerate(pairs, 1)
        ]
        await asyncio.gather(*talking)
        cpu = (await cpu_secs() - before_secs) * 1000 / (_now_ms() - began_ms)
        bot.stdin.close()
        await bot.wait()
    ways = [way for call in ours.values() for way in (call.way_in, call.way_out)]
    return Measured(
        calls=calls,
        in_ms=[ms for call in ours.values() for ms in call.way_in.late_ms],
        out_ms=[ms for call in ours.values() for ms in call.way_out.late_ms],
        timers_ms=[ms for call in ours.values() for ms in call.timers_ms],
        lost=sum(abs(len(way.went_ms) - len(way.came_ms)) for way in ways),
        cpu=cpu,
    )


def _three(ms: list[float]) -> str:
    if not ms:
        return "none"
    return " / ".join(f"{np.percentile(ms, share):.1f}" for share in (50, 99, 100))


def main() -> None:
    logger.remove()
    most = PhoneLimits().calls
    title = f"Sound on its way through a phone, milliseconds: median / 99 % / longest; it takes {most} calls"
    table = Table(title=title)
    for heading in ("calls", "caller to API", "API to caller", "itself", "lost", "a processor"):
        table.add_column(heading, justify="right")
    for calls in (1, most // 2, most, 2 * most):
        got = asyncio.run(measure(calls))
        late = (_three(got.in_ms), _three(got.out_ms), _three(got.timers_ms))
        table.add_row(str(calls), *late, str(got.lost), f"{got.cpu:.0%}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
